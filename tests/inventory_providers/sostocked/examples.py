"""The requests of the provider's document, and the few answers that are known, value by value.

The document shows no answer. The breakdown file is made from labels that were seen; the envelope is
that of the provider's JSON endpoints.
"""

from __future__ import annotations

import json
from typing import Any

# "Export Current View - Request Body", its 115 columns one per line.
COLUMNS: list[dict[str, Any]] = json.loads(r"""
[
{"id": "product_image", "show": 1, "params": [], "text": "Product Image"},
{"id": "product_name", "show": 1, "params": [], "text": "Product Name"},
{"id": "variations", "show": 0, "params": [], "text": "Variations"},
{"id": "bundled", "show": 0, "params": [], "text": "Number of items in bundle"},
{"id": "area_asins", "show": 1, "params": [], "text": "ASIN"},
{"id": "area_skus", "show": 1, "params": [], "text": "SKU"},
{"id": "area_fn_skus", "show": 1, "params": [], "text": "FN SKU"},
{"id": "product_total_lost_sales", "show": 0, "params": [], "text": "<span style=\"color: red; font-size:15px; font-weight: bold;\">2,456.41 </span> Total Lost Sales"},
{"id": "area_lost_sales", "show": 0, "params": [], "text": "Lost Sales / Marketplace"},
{"id": "area_inv_stock", "show": 1, "params": [], "text": "FBA Available Stock"},
{"id": "area_inv_reserved", "show": 0, "params": [], "text": "FBA Reserved (FC's only)"},
{"id": "area_inv_stock_reserved", "show": 0, "params": [], "text": "FBA Stock / Market or Region"},
{"id": "area_forecast_velocity_adj", "show": 1, "params": [], "text": "Adj. Velocity"},
{"id": "area_forecast_order_by", "show": 0, "params": [], "text": "Order By"},
{"id": "area_forecast_order_amount", "show": 0, "params": [], "text": "Order Amount"},
{"id": "area_forecast_transfer_by", "show": 0, "params": [], "text": "Transfer By"},
{"id": "area_forecast_transfer_amount", "show": 0, "params": [], "text": "Transfer Amount"},
{"id": "product_inv_fba_stock", "show": 0, "params": [], "text": "Total FBA Stock"},
{"id": "area_forecast_stock_remaining", "show": 1, "params": [], "text": "Days of Supply on AMZ"},
{"id": "area_next_restock_days", "show": 0, "params": [], "text": "# of Days until Restock @ AMZ"},
{"id": "warehouses", "show": 0, "params": [], "text": "Warehouse Stock"},
{"id": "area_inv_total", "show": 0, "params": [], "text": "FBA Stock + Inbound / Market or Region"},
{"id": "area_inv_inbound", "show": 1, "params": [], "text": "Inbound to FBA"},
{"id": "area_next_restock_date", "show": 1, "params": [], "text": "Date of Next AMZ Restock"},
{"id": "product_inv_fbm_stock", "show": 1, "params": [], "text": "Total Warehouse Stock"},
{"id": "product_inv_fbm_inbound", "show": 1, "params": [], "text": "Inbound to Warehouse"},
{"id": "product_inv_fbm_stock_inbound", "show": 0, "params": [], "text": "Total Warehouse + Inbound"},
{"id": "product_inv_fbm_cartons", "show": 0, "params": [], "text": "Total Warehouse + Inbound (cartons)"},
{"id": "ipi_max_ship_qty", "show": 0, "params": [], "text": "Max Ship Qty"},
{"id": "product_inv_stock_total", "show": 0, "params": [], "text": "Total in Stock (FBA + Warehouses)"},
{"id": "product_inv_total_stock_inbound", "show": 0, "params": [], "text": "Total In Stock + Inbound"},
{"id": "area_stock_out_days_365", "show": 0, "params": [], "text": "Stock Out Days (past 365)"},
{"id": "area_stock_out_percentage_365", "show": 0, "params": [], "text": "Stock Out % (past 365)"},
{"id": "currency_code", "show": 0, "params": [], "text": "Global Currency"},
{"id": "supplier_unit_price", "show": 0, "params": [], "text": "Cost / Unit"},
{"id": "supplier_carton_price", "show": 0, "params": [], "text": "Cost / Carton (aka Case)"},
{"id": "supplier_pallet_price", "show": 0, "params": [], "text": "Cost / Pallet"},
{"id": "supplier_shipping_cost", "show": 0, "params": [], "text": "Est. Shipping Cost / Unit"},
{"id": "supplier_cogs_per_unit", "show": 0, "params": [], "text": "Landed Cost"},
{"id": "supplier_min_units_to_order", "show": 0, "params": [], "text": "MOQ"},
{"id": "area_retail_price", "show": 0, "params": [], "text": "Retail Price - Actual Currency"},
{"id": "area_converted_retail_price", "show": 0, "params": [], "text": "Retail Price - Converted Currency"},
{"id": "cog_on_hand_less_shipping", "show": 0, "params": [], "text": "COGS in Stock (less shipping costs)"},
{"id": "cog_value_less_shipping", "show": 0, "params": [], "text": "COGS Value (less shipping)"},
{"id": "est_shipping_value", "show": 0, "params": [], "text": "Est. Shipping Value"},
{"id": "total_value", "show": 0, "params": [], "text": "Total COGs Value (In Stock + Inbound to WH and FBA)"},
{"id": "product_group_name", "show": 0, "params": [], "text": "AMZ Category"},
{"id": "freight_forwarders", "show": 0, "params": [], "text": "Freight Forwarder"},
{"id": "supplier_name", "show": 0, "params": [], "text": "Supplier"},
{"id": "area_workflow_total_duration", "show": 0, "params": [], "text": "Lead Time per Market"},
{"id": "workflow_total_duration", "show": 0, "params": [], "text": "Default Lead Time"},
{"id": "product_upc_barcode", "show": 0, "params": [], "text": "UPC"},
{"id": "product_part_number", "show": 0, "params": [], "text": "Part Number"},
{"id": "supplier_manufacturer_part_number", "show": 0, "params": [], "text": "MPN"},
{"id": "product_storage_type_id", "show": 0, "params": [], "text": "Storage Type"},
{"id": "brands", "show": 0, "params": [], "text": "Brand"},
{"id": "area_inv_missing", "show": 0, "params": [], "text": "Missing FBA"},
{"id": "areas", "show": 0, "params": [], "text": "Market / Region"},
{"id": "area_inv_updated_at", "show": 0, "params": [], "text": "Last Change To FBA Inventory"},
{"id": "inbound_to_fba", "show": 0, "params": [], "text": "Inbound to Amazon ETA"},
{"id": "inbound_to_fbm", "show": 0, "params": [], "text": "Inbound to Warehouse or Prep Center ETA"},
{"id": "notes", "show": 0, "params": [], "text": "Notes"},
{"id": "days_left_fba_inbound", "show": 0, "params": [], "text": "Days Left (FBA + Inbound)"},
{"id": "days_left_fba_warehouse", "show": 0, "params": [], "text": "Days Left (FBA + Warehouse) "},
{"id": "days_left_fba_warehouse_inbound", "show": 0, "params": [], "text": "Days Left (FBA + WH + Inbound/On Order)"},
{"id": "days_left_warehouse", "show": 0, "params": [], "text": "Days Left (Warehouses)"},
{"id": "total_warehouse_cartons", "show": 0, "params": [], "text": "Total Warehouse Cartons"},
{"id": "total_stock_inbound_to_fba", "show": 0, "params": [], "text": "Total In Stock + Inbound to FBA"},
{"id": "total_value_onhand_inbound_to_fba", "show": 0, "params": [], "text": "Total COGs Value (In Stock + Inbound to FBA only)"},
{"id": "area_stock_out_days_next_year", "show": 0, "params": [], "text": "Potential Stock Out Days"},
{"id": "area_next_stock_out_date_no_action", "show": 0, "params": [], "text": "Next Stock Out Date"},
{"id": "product_units_per_carton", "show": 0, "params": [], "text": "Units / Carton"},
{"id": "tags", "show": 1, "params": [], "text": "Tags"},
{"id": "carton_dimensions", "show": 0, "params": [], "text": "Carton Dimensions"},
{"id": "warehouse_location", "show": 0, "params": [], "text": "Warehouse Location"},
{"id": "fba_days_remaining", "show": 0, "params": [], "text": "FBA Days Remaining"},
{"id": "product_calculation_velocity_180", "show": 0, "params": [], "text": "180 Day Velocity"},
{"id": "product_calculation_velocity_90", "show": 0, "params": [], "text": "90 Day Velocity"},
{"id": "product_calculation_velocity_60", "show": 0, "params": [], "text": "60 Day Velocity"},
{"id": "product_calculation_velocity_30", "show": 0, "params": [], "text": "30 Day Velocity"},
{"id": "product_calculation_velocity_15", "show": 0, "params": [], "text": "15 Day Velocity"},
{"id": "product_calculation_velocity_7", "show": 0, "params": [], "text": "7 Day Velocity"},
{"id": "product_calculation_velocity_2", "show": 0, "params": [], "text": "2 Day Velocity"},
{"id": "cbm_per_warehouse", "show": 0, "params": [], "text": "CBM Per Warehouse"},
{"id": "warehouse_3pl_pallets", "show": 0, "params": [], "text": "Pallets at Warehouse"},
{"id": "inbound_to_3pl", "show": 0, "params": [], "text": "Inbound per Warehouse"},
{"id": "first_seen", "show": 0, "params": [], "text": "First Seen"},
{"id": "cubic_feet", "show": 0, "params": [], "text": "Cubic Feet Per Unit"},
{"id": "area_sale_price", "show": 0, "params": [], "text": "Sale Price - Actual Currency"},
{"id": "area_converted_sale_price", "show": 0, "params": [], "text": "Sale Price - Converted Currency"},
{"id": "product_total_cubic_feet", "show": 0, "params": [], "text": "<span style=\"color: red; font-size:15px; font-weight: bold;\">41.75</span> Total Cubic Feet"},
{"id": "package_dimensions", "show": 0, "params": [], "text": "Item Package Dimensions"},
{"id": "area_overstock_fees_monthly", "show": 0, "params": [], "text": "Total Monthly FBA Storage Fees (365 Days)"},
{"id": "area_overstock_fees_monthly91", "show": 0, "params": [], "text": "Overstock Storage Fees"},
{"id": "area_overstock_fees_aged", "show": 0, "params": [], "text": "Aged Inventory Fees"},
{"id": "area_overstock_fees_aged_upcoming", "show": 0, "params": [], "text": "<span style=\"color: red; font-size:15px; font-weight: bold;\">0.00 </span> Upcoming Aged Fees"},
{"id": "area_annual_sales", "show": 0, "params": [], "text": "<span style=\"color: red; font-size:15px; font-weight: bold;\">0</span> Annual Sales (365 Days)"},
{"id": "product_total_overstock_fees", "show": 0, "params": [], "text": "<span style=\"color: red; font-size:15px; font-weight: bold;\">2.30 </span> Total OverStock Fees"},
{"id": "product_total_annual_sales", "show": 0, "params": []},
{"id": "days_impending_low_inventory_fees", "show": 0, "params": [], "text": "Impending Low Inventory"},
{"id": "days_incur_low_inventory_fees", "show": 0, "params": [], "text": "Incurring Low-Inventory Fees"},
{"id": "parent_asin", "show": 0, "params": [], "text": "Parent ASIN"},
{"id": "length_and_girth", "show": 0, "params": [], "text": "Length & Girth"},
{"id": "product_size_tier", "show": 0, "params": [], "text": "Product Size Tier"},
{"id": "area_pending_removal_qty", "show": 0, "params": [], "text": "Pending Removals"},
{"id": "billable_weight", "show": 0, "params": [], "text": "Billable Weight"},
{"id": "area_sales_rank", "show": 0, "params": [], "text": "Sales Rank"},
{"id": "area_low_recovery_units", "show": 0, "params": [], "text": "Low Recovery Value per unit"},
{"id": "area_avg_recovery_units", "show": 0, "params": [], "text": "Avg Recovery Value per unit"},
{"id": "area_high_recovery_units", "show": 0, "params": [], "text": "High Recovery Value per unit"},
{"id": "supplier_other_cost", "show": 0, "params": [], "text": "Other Unit Costs"},
{"id": "units_shipped_t7", "show": 0, "params": [], "text": "FBA Units Shipped 7d"},
{"id": "units_shipped_t30", "show": 0, "params": [], "text": "FBA Units Shipped 30d"},
{"id": "units_shipped_t60", "show": 0, "params": [], "text": "FBA Units Shipped 60d"},
{"id": "units_shipped_t90", "show": 0, "params": [], "text": "FBA Units Shipped 90d"}
]
""")  # noqa: E501 - labels with HTML are that long

EXPORT_BODY: dict[str, Any] = {
    "page": 1,
    "apply_custom_params": 1,
    "view_id": 316582,
    "columns": COLUMNS,
    "filters": [{"x": "AND", "c": "status_id", "o": "=", "v": "1"}],
    "group_by": "",
    "order_by": "product_name",
    "order_direction": "ASC",
    "per_page": 250,
    "term": "",
    "export_type": "expanded",
    "with_inactive": 0,
    "snapshot_date": "",
}

# "use 'collapsed' for collapsed export"
COLLAPSED_BODY: dict[str, Any] = EXPORT_BODY | {"export_type": "collapsed"}

# "Inventory Snapshot - Request Body"
SNAPSHOT_BODY: dict[str, Any] = EXPORT_BODY | {
    "export_type": "snapshot",
    "with_inactive": 0,
    "snapshot_date": "2025-01-01",
}

# "Export Inventory with Breakdown by Warehouses - Request Body"
BREAKDOWN_BODY: dict[str, Any] = EXPORT_BODY | {"export_type": "warehouse-breakdown"}

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "current view": ("/product-inventories/export", EXPORT_BODY),
    "collapsed": ("/product-inventories/export", COLLAPSED_BODY),
    "snapshot": ("/inventories/export-snapshot", SNAPSHOT_BODY),
    "breakdown": ("/product-inventories/warehouse-breakdown-export", BREAKDOWN_BODY),
}

# The 13 columns that the document's body shows.
SHOWN = (
    "product_image",
    "product_name",
    "area_asins",
    "area_skus",
    "area_fn_skus",
    "area_inv_stock",
    "area_forecast_velocity_adj",
    "area_forecast_stock_remaining",
    "area_inv_inbound",
    "area_next_restock_date",
    "product_inv_fbm_stock",
    "product_inv_fbm_inbound",
    "tags",
)

# The live total within the text of five columns, as the document has it.
LIVE_TOTALS = {
    "product_total_lost_sales": "2,456.41 ",
    "product_total_cubic_feet": "41.75",
    "area_overstock_fees_aged_upcoming": "0.00 ",
    "area_annual_sales": "0",
    "product_total_overstock_fees": "2.30 ",
}

# Made: labels and forms that were seen, in one file.
BREAKDOWN_FILE = """\
Product Name,ASIN,SKU,FN SKU,Marketplace,Warehouse,Warehouse Stock,FBA Available Stock,\
Inbound to FBA,Adj. Velocity,"2,456.41 Total Lost Sales"
"Widget, Blue",B000000001,BW-1,X0001,US,Amazon AWD,"1,204",310,46129,12.5,"2,456.41"
"Widget, Blue",B000000001,BW-1,X0001,US,ShipBob GA,88,310,46129,12.5,"2,456.41"
"Widget, Blue",B000000001,BW-1,X0001,MX,,,0,,0.07,
"""

# Seen at the provider's JSON endpoints; the rows stand in one more list.
ENVELOPE: dict[str, Any] = {"code": 200, "total_pages": 7, "total": 612}

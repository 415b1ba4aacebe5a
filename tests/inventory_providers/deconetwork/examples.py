"""The examples of the provider's document, word for word."""

FIND_REQUEST = """\
field=5
condition=4
date1=2018-10-01T00:00:00
username=fred123
password=password123
"""

FIND_ANSWER = """\
{
  "response_status": {
    "code": 10001,
    "severity": "SUCCESS",
    "description": "."
  },
  "inventories": [
    {
      "product_id": "19617",
      "product_code": "5170",
      "product_name": "ComfortSoft 50/50 Cotton/Poly T Shirt",
      "supplier": "Sanmar",
      "sku": "312033",
      "vendor_sku": "312033",
      "dn_sku_id": "19617_1378",
      "dn_vsku_id": "1064_1378",
      "product_size": {
        "option_id": 2,
        "name": "Medium",
        "code": "M",
        "sub_sizes": []
      },
      "product_color": {
        "id": 35345,
        "name": "White"
      },
      "inv_on": true,
      "inv_lvl": 3,
      "inv_warn": 2,
      "inv_reorder_to": 3,
      "inv_on_order_po": 4,
      "inv_on_order_stk": 1,
      "inv_on_order_total": 5,
      "inv_last_modified": "2018-10-01T00:00:00"
    }
  ],
  "total": 1
}
"""

UPDATE_REQUEST = """\
dn_sku_id=19617_1378
inv_on=true
inv_lvl=10
inv_warn=2
inv_reorder_to=5
operator_login=bob123
username=fred123
password=password123
"""

UPDATE_ANSWER = """\
{
  "response_status": {
    "code": 10001,
    "severity": "SUCCESS",
    "description": "."
  }
}
"""

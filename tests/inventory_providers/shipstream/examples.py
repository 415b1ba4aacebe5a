"""The examples of the provider's documents, word for word.

Those without a comment stand in the document of the inventory methods; the others in the pages on
signing in, on warehouses, and in the present form of the inventory page.
"""

LIST_TWO_REQUEST = """\
{
    "jsonrpc" : 2.0,
    "id" : 1234,
    "method" : "call",
    "params" : [
        "be1c13ed4e03f0ed7f1e4053dfff9658",
        "inventory.list",
        [
            ["BlueWidget-1","BlueWidget-5"]
        ]
    ]
}
"""

LIST_ALL_REQUEST = """\
{
    "jsonrpc" : 2.0,
    "id" : 1234,
    "method" : "call",
    "params" : [
        "be1c13ed4e03f0ed7f1e4053dfff9658",
        "inventory.list"
    ]
}
"""

LIST_WAREHOUSE_REQUEST = """\
{
    "jsonrpc" : 2.0,
    "id" : 1234,
    "method" : "call",
    "params" : [
        "be1c13ed4e03f0ed7f1e4053dfff9658",
        "inventory.list",
        [
            null,
            2
        ]
    ]
}
"""

LIST_ANSWER = """\
{
    "jsonrpc" : 2.0,
    "id" : 1234,
    "result" : [
        {
            "sku" : "BlueWidget-1",
            "qty_expected"    : 0,
            "qty_processed"   : 0,
            "qty_putaway"     : 50,
            "qty_available"   : 22,
            "qty_allocated"   : 5,
            "qty_reserved"    : 16,
            "qty_picked"      : 1,
            "qty_backordered" : 0,
            "qty_advertised"  : 22
        },
        {
            "sku" : "BlueWidget-5",
            "qty_expected"    : 40,
            "qty_processed"   : 0,
            "qty_putaway"     : 0,
            "qty_available"   : 0,
            "qty_allocated"   : 0,
            "qty_reserved"    : 2,
            "qty_picked"      : 0,
            "qty_backordered" : 5,
            "qty_advertised"  : 0
        }
    ]
}
"""

LOTS_REQUEST = """\
{
    "jsonrpc" : 2.0,
    "id" : 1234,
    "method" : "call",
    "params" : [
        "be1c13ed4e03f0ed7f1e4053dfff9658",
        "inventory.lots",
        [
            {
                "lot_id" : {
                    "in" : [1, 2]
                }
            },
            []
        ]
    ]
}
"""

LOTS_ANSWER = """\
{
    "jsonrpc" : 2.0,
    "id" : 1234,
    "result" : {
       "results": [
           {
               "lot_id": "1",
               "lot_number": "2018-07-09",
               "origination_date": "2018-07-09",
               "expiration_date": "2019-04-07",
               "is_active": "1",
               "group_value": "2018-07-09",
               "created_at": "2018-07-09T19:58:23+00:00",
               "sku": "product1",
               "name": "product 1",
               "locations": [
                   "location 1"
               ],
               "qty_putaway": "0.0000",
               "qty_available": "76.0000",
               "qty_reserved": "0.0000"
           },
           {
               "lot_id": "2",
               "lot_number": "2018-07-09",
               "origination_date": "2018-07-09",
               "expiration_date": "2019-04-11",
               "is_active": "1",
               "group_value": "2018-07-09",
               "created_at": "2018-07-09T19:59:03+00:00",
               "sku": "product2",
               "name": "product 2",
               "locations": [],
               "qty_putaway": "0.0000",
               "qty_available": "0.0000",
               "qty_reserved": "0.0000"
           }
       ],
       "totalCount": 2,
       "numPages": 1
   }
}
"""

DETAILED_REQUEST = """\
{
    "jsonrpc" : 2.0,
    "id" : 1234,
    "method" : "call",
    "params" : [
        "be1c13ed4e03f0ed7f1e4053dfff9658",
        "inventory.detailed",
        [
            ["BlueWidget-1","BlueWidget-5"],
            "2014-07-24T18:51:18+00:00"
        ]
    ]
}
"""

DETAILED_ANSWER = """\
{
    "jsonrpc" : 2.0,
    "id" : 1234,
    "result" : [
        {
            "sku": "BlueWidget-1",
            "qty_expected": "0.0000",
            "qty_processed": "0.0000",
            "qty_putaway": "0.0000",
            "qty_available": "8.0000",
            "qty_allocated": "0.0000",
            "qty_reserved": "0.0000",
            "qty_picked": "2.0000",
            "qty_backordered": "0.0000",
            "qty_advertised": "8",
            "detailed": [
                {
                    "warehouse_id": "1",
                    "qty_expected": "0.0000",
                    "qty_processed": "0.0000",
                    "qty_putaway": "0.0000",
                    "qty_available": "8.0000",
                    "qty_allocated": "0.0000",
                    "qty_reserved": "0.0000",
                    "qty_picked": "2.0000",
                    "qty_advertised": "8"
                },
                {
                    "warehouse_id": "2",
                    "qty_expected": "0.0000",
                    "qty_processed": "0.0000",
                    "qty_putaway": "0.0000",
                    "qty_available": "0.0000",
                    "qty_allocated": "0.0000",
                    "qty_reserved": "0.0000",
                    "qty_picked": "0.0000",
                    "qty_advertised": "0"
                },
                {
                    "warehouse_id": "3",
                    "qty_expected": "0.0000",
                    "qty_processed": "0.0000",
                    "qty_putaway": "0.0000",
                    "qty_available": "0.0000",
                    "qty_allocated": "0.0000",
                    "qty_reserved": "0.0000",
                    "qty_picked": "0.0000",
                    "qty_advertised": "0"
                }
            ]
        },
        {
            "sku": "BlueWidget-5",
            "qty_expected": "0.0000",
            "qty_processed": "0.0000",
            "qty_putaway": "0.0000",
            "qty_available": "98.0000",
            "qty_allocated": "0.0000",
            "qty_reserved": "0.0000",
            "qty_picked": "1.0000",
            "qty_backordered": "0.0000",
            "qty_advertised": "98",
            "detailed": [
                {
                    "warehouse_id": "1",
                    "qty_expected": "0.0000",
                    "qty_processed": "0.0000",
                    "qty_putaway": "0.0000",
                    "qty_available": "98.0000",
                    "qty_allocated": "0.0000",
                    "qty_reserved": "0.0000",
                    "qty_picked": "1.0000",
                    "qty_advertised": "98"
                },
                {
                    "warehouse_id": "2",
                    "qty_expected": "0.0000",
                    "qty_processed": "0.0000",
                    "qty_putaway": "0.0000",
                    "qty_available": "0.0000",
                    "qty_allocated": "0.0000",
                    "qty_reserved": "0.0000",
                    "qty_picked": "0.0000",
                    "qty_advertised": "0"
                },
                {
                    "warehouse_id": "3",
                    "qty_expected": "0.0000",
                    "qty_processed": "0.0000",
                    "qty_putaway": "0.0000",
                    "qty_available": "0.0000",
                    "qty_allocated": "0.0000",
                    "qty_reserved": "0.0000",
                    "qty_picked": "0.0000",
                    "qty_advertised": "0"
                }
            ]
        }
    ]
}
"""

# https://docs.shipstream.io/merchant-api/authentication
LOGIN_REQUEST = """\
{"jsonrpc":2.0,"id":1234,"method":"login","params":["username","password"]}
"""
LOGIN_ANSWER = """\
{"jsonrpc":2.0,"id":1234,"result":"be1c13ed4e03f0ed7f1e4053dfff9658"}
"""
EXPIRED_ANSWER = """\
{"jsonrpc":2.0,"id":1234,"error":{"code":-32005,"message":"Session expired. Try to relogin."}}
"""

# The inventory page as published since April 2025.
LIST_RESULT_SINCE_2025 = """\
[
{"sku":"BlueWidget-1","qty_expected":"0.0000","qty_processed":"0.0000","qty_putaway":"50.0000",
"qty_available":"22.0000","qty_allocated":"5.0000","qty_reserved":"16.0000","qty_picked":"1.0000",
"qty_backordered":"0.0000","qty_advertised":"22.0000","qty_on_hand":"94.0000"},
{"sku":"BlueWidget-5","qty_expected":"40.0000","qty_processed":"0.0000","qty_putaway":"0.0000",
"qty_available":"0.0000","qty_allocated":"0.0000","qty_reserved":"2.0000","qty_picked":"0.0000",
"qty_backordered":"5.0000","qty_advertised":"0.0000","qty_on_hand":"2.0000"}
]
"""

# The page on warehouses.
WAREHOUSE = """\
{"warehouse_id":1,"name":"Warehouse 1","is_active":1,"address":{"street1":"4616 Crossroads Park Dr",
"street2":"","city":"Liverpool","country":"US","region":"NY","postcode":"13088"}}
"""

# Made in the documented shape.
DENIED_ANSWER = """\
{"error":{"code":-32002,"message":"Access denied.","data":null},"id":"7","jsonrpc":"2.0"}
"""
FILTERS_ANSWER = """\
{"error":{"code":-32102,"message":"Unexpected error applying filters."},"id":"7","jsonrpc":"2.0"}
"""
UNPARSED_ANSWER = """\
{"error":{"code":-32700,"message":"Parse error"},"id":null}
"""

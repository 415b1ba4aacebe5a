"""The examples of the provider's documents, with their values word for word."""

# The former static sandbox: request, answer, and the request that failed on purpose.
STATIC_REQUEST = {
    "details": "true",
    "granularityType": "Marketplace",
    "granularityId": "ATVPDKIKX0DER",
    "marketplaceIds": "ATVPDKIKX0DER",
}

STATIC_ANSWER = """\
{"pagination":{"nextToken":"seed"},
 "payload":{"granularity":{"granularityType":"Marketplace","granularityId":"ATVPDKIKX0DER"},
  "inventorySummaries":[
   {"asin":"B0020MLK00","fnSku":"B0020MLK00","sellerSku":"EMTEC 1 GB","condition":"NewItem",
    "inventoryDetails":{"fulfillableQuantity":0,"inboundWorkingQuantity":0,
     "inboundShippedQuantity":0,"inboundReceivingQuantity":0,
     "reservedQuantity":{"totalReservedQuantity":0,"pendingCustomerOrderQuantity":0,
      "pendingTransshipmentQuantity":0,"fcProcessingQuantity":0},
     "researchingQuantity":{"totalResearchingQuantity":0,"researchingQuantityBreakdown":[]},
     "unfulfillableQuantity":{"totalUnfulfillableQuantity":0,"customerDamagedQuantity":0,
      "warehouseDamagedQuantity":0,"distributorDamagedQuantity":0,"carrierDamagedQuantity":0,
      "defectiveQuantity":0,"expiredQuantity":0}},
    "lastUpdatedTime":"",
    "productName":"EMTEC 1 GB 60x SD Flash Memory Card with USB 2.0 Card Reader",
    "totalQuantity":0},
   {"asin":"B0020MLK00","fnSku":"B0020MLK00","sellerSku":"EMTEC-SdCard-reader",
    "condition":"NewItem",
    "inventoryDetails":{"fulfillableQuantity":0,"inboundWorkingQuantity":0,
     "inboundShippedQuantity":0,"inboundReceivingQuantity":0,
     "reservedQuantity":{"totalReservedQuantity":0,"pendingCustomerOrderQuantity":0,
      "pendingTransshipmentQuantity":0,"fcProcessingQuantity":0},
     "researchingQuantity":{"totalResearchingQuantity":0,"researchingQuantityBreakdown":[]},
     "unfulfillableQuantity":{"totalUnfulfillableQuantity":0,"customerDamagedQuantity":0,
      "warehouseDamagedQuantity":0,"distributorDamagedQuantity":0,"carrierDamagedQuantity":0,
      "defectiveQuantity":0,"expiredQuantity":0}},
    "lastUpdatedTime":"",
    "productName":"EMTEC 1 GB 60x SD Flash Memory Card with USB 2.0 Card Reader",
    "totalQuantity":0},
   {"asin":"B00T9QONN6","fnSku":"B00T9QONN6","sellerSku":"Silicon Power 32GB",
    "condition":"NewItem",
    "inventoryDetails":{"fulfillableQuantity":66,"inboundWorkingQuantity":21,
     "inboundShippedQuantity":0,"inboundReceivingQuantity":0,
     "reservedQuantity":{"totalReservedQuantity":0,"pendingCustomerOrderQuantity":0,
      "pendingTransshipmentQuantity":0,"fcProcessingQuantity":0},
     "researchingQuantity":{"totalResearchingQuantity":0,"researchingQuantityBreakdown":[
      {"name":"researchingQuantityInShortTerm","quantity":0},
      {"name":"researchingQuantityInMidTerm","quantity":0},
      {"name":"researchingQuantityInLongTerm","quantity":0}]},
     "unfulfillableQuantity":{"totalUnfulfillableQuantity":0,"customerDamagedQuantity":0,
      "warehouseDamagedQuantity":0,"distributorDamagedQuantity":0,"carrierDamagedQuantity":0,
      "defectiveQuantity":0,"expiredQuantity":0}},
    "lastUpdatedTime":"2018-03-31T23:40:39Z",
    "productName":"Silicon Power 32GB up to 85MB/s MicroSDHC UHS-1 Class10, Elite Flash Memory \
Card with Adaptor (SP032GBSTHBU1V20SP)",
    "totalQuantity":87}]}}
"""

STATIC_FAILURE_REQUEST = STATIC_REQUEST | {"marketplaceIds": "1"}
INTERNAL_FAILURE = """\
{"errors":[{"message":"We encountered an internal error. Please try again.",\
"code":"InternalFailure"}]}
"""
UNMATCHED = """\
{"errors":[{"code":"InvalidInput","message":"Could not match input arguments"}]}
"""

# Login with Amazon.
LWA_HEADERS = {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}
LWA_ANSWER = """\
{"access_token":"Atza|...","token_type":"bearer","expires_in":3600,"refresh_token":"Atzr|..."}
"""
INVALID_CLIENT = """\
{"error_description":"Client authentication failed","error":"invalid_client"}
"""
INVALID_GRANT = """\
{"error_description":"The request has an invalid grant parameter : refresh_token",\
"error":"invalid_grant"}
"""
NOT_GRANTED = """\
{"error_description":"The request has an invalid grant parameter : refresh_token. \
User may have revoked or didn't grant the permission.","error":"invalid_grant"}
"""

# A read, as the documents print it.
READ_REQUEST = (
    "/fba/inventory/v1/summaries?details=true&granularityType=Marketplace"
    "&granularityId=ATVPDKIKX0DER&marketplaceIds=ATVPDKIKX0DER"
)
READ_HEADERS = {"User-Agent": "tap-inventory/1.0 (Language=Python/3.12)"}
LISTED_USER_AGENT = "My Selling Tool/2.0 (Language=Java/1.8.0.221; Platform=Windows/10)"
FUTURE_SUPPLY = """\
{"futureSupplyQuantity": {"reservedFutureSupplyQuantity": 0, "futureSupplyBuyableQuantity": 30}}
"""
POISON_TEXT = "Got get active fnSku map InvalidInputException"

# The writes.
CREATE_PATH = "/fba/inventory/v1/items"
CREATE_BODY = """\
{"sellerSku":"TEST-SKU-1","marketplaceId":"ATVPDKIKX0DER","productName":"Test product"}
"""
ADD_PATH = "/fba/inventory/v1/items/inventory"
ADD_HEADERS = {"x-amzn-idempotency-token": "5f0c7b0e-0000-5000-8000-000000000001"}
ADD_BODY = """\
{"inventoryItems":[{"sellerSku":"TEST-SKU-1","marketplaceId":"ATVPDKIKX0DER","quantity":10}]}
"""
DELETE_TARGET = "/fba/inventory/v1/items/TEST-SKU-1?marketplaceId=ATVPDKIKX0DER"

# Refusals.
DEAD_TOKEN = """\
{"errors":[{"code":"InvalidInput","message":"Next token is invalid or expired","details":""}]}
"""
TOO_EARLY = """\
{"errors":[{"code":"InvalidInput",\
"message":"Query startDateTime cannot not be earlier than 19","details":""}]}
"""
NO_DATE_TIME = """\
{"errors":[{"code":"InvalidInput","message":"This is an invalid input","details":\
"Query parameter [startDateTime] value is not a valid ISO date-time object."}]}
"""
INVALID_REQUEST = """\
{"errors":[{"code":"InvalidInput","message":"Invalid request, please check your input.",\
"details":""}]}
"""
INVALID_INPUT = """\
{"errors":[{"code":"InvalidInput","message":"Invalid Input","details":""}]}
"""
FAILURE_WITH_200 = """\
{"errors":[{"code":"InvalidInput","message":"Invalid request, please check your input."}]}
"""
NO_ACCESS_TOKEN = """\
{"errors":[{"message":"Access to requested resource is denied.",\
"code":"MissingAuthenticationToken"}]}
"""
EXPIRED = """\
{"errors":[{"message":"Access to requested resource is denied.","code":"Unauthorized",\
"details":"The access token you provided has expired."}]}
"""
REVOKED = """\
{"errors":[{"message":"Access to requested resource is denied.","code":"Unauthorized",\
"details":"The access token you provided is revoked, malformed or invalid."}]}
"""
UNAUTHORIZED = """\
{"errors":[{"code":"Unauthorized","message":"Access to requested resource is denied.",\
"details":""}]}
"""
QUOTA_EXCEEDED = """\
{"errors":[{"message":"You exceeded your quota for the requested resource.",\
"code":"QuotaExceeded"}]}
"""

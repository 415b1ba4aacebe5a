"""The examples of the provider's documents, word for word.

The overview is the document itself; the log-in, the token and the error are from the other pages of
the same site ("login", "getting-started"), with the placeholders that are printed there.
"""

OVERVIEW_REQUEST = """\
GET /inventory/overview
Authorization: Bearer change_to_your_access_token
X-S2-Organization: 95d73baf-76ba-4bea-86ac-1534c5e5d4aa
"""

OVERVIEW_ANSWER = """\
{
  "warehouses": [
    {
      "id": "9cae310d-c440-4d78-bdc0-bf306ec33888",
      "organization": {
        "id": "e8b021f4-9ab3-4fc2-af71-f35930759888",
        "name": "test organization",
        "createdAt": "2024-04-01T14:09:14.732646Z",
        "updatedAt": "2024-04-09T21:15:15.615765Z"
      },
      "name": "test warehouse",
      "address": {
        "name": "GDI",
        "company": "",
        "address1": "test warehouse Rd Unit 3",
        "address2": "",
        "city": "Oakville",
        "state": "ON",
        "postalCode": "L6L 2X8",
        "countryId": "CA",
        "phone": "",
        "email": ""
      },
      "dropshipper": true,
      "fulfillmentCenter": true,
      "rmaCenter": true,
      "unitSystem": "METRIC",
      "createdAt": "2024-04-01T14:18:10.903581Z",
      "updatedAt": "2024-04-01T14:18:10.903581Z"
    },
    {
      "id": "0b6eaafa-565f-4989-b3d5-98e871f9e888",
      "organization": {
        "id": "e4affb47-1971-42bb-97a3-215d9bddd888",
        "name": "Sellersoft",
        "createdAt": "2024-03-05T22:16:05.692314Z",
        "updatedAt": "2024-04-09T21:15:15.615765Z"
      },
      "name": "test Warehouse2",
      "address": {
        "name": "Test",
        "company": "Ventmere",
        "address1": "145 test road",
        "address2": "",
        "city": "Markham",
        "state": "ON",
        "postalCode": "L3R 8A9",
        "countryId": "CA",
        "phone": "",
        "email": ""
      },
      "dropshipper": true,
      "fulfillmentCenter": true,
      "rmaCenter": true,
      "unitSystem": "METRIC",
      "createdAt": "2024-03-05T22:16:48.618677Z",
      "updatedAt": "2024-03-05T22:16:48.618677Z"
    }
  ],
  "products": [
    {
      "id": "3775cc37-30e7-4579-a58e-c9adda6fa888",
      "organization": {
        "id": "3f424caf-0eba-4813-b3e7-7ca0393af888",
        "name": "test organization",
        "createdAt": "2024-03-05T22:17:23.520948Z",
        "updatedAt": "2024-04-09T21:15:15.615765Z"
      },
      "sku": "test",
      "brand": {
        "id": "e0cbbf33-cbea-4867-9fd9-5d72f22c2321",
        "name": "Sony",
        "nameNormalized": "sony",
        "createdAt": "2024-06-04T03:16:22.617577Z"
      },
      "gtin": "7045557638888",
      "name": "Test Product",
      "remarks": "test.",
      "imageMain": "95d73baf-76ba-4bea-86ac-1534c5e5d4aa/2024-04-23/avatar/听雨__24_x_26.25__PFPWig_4_YXKT59pJLuoIk82VgaF.jpg",
      "packageLengthMm": 33.27078,
      "packageWidthMm": 64.29312,
      "packageHeightMm": 96.57682,
      "shippingWeightKg": 76.44365,
      "caseUnit": "EACH",
      "casePack": 2,
      "caseLengthMm": 34.340958,
      "caseWidthMm": 20.323586,
      "caseHeightMm": 12.659683,
      "caseWeightKg": 0.35708416,
      "condition": "NEW",
      "serialNumberRequired": true,
      "expiryDateRequired": true,
      "unknown": false,
      "createdAt": "2024-06-04T03:16:22.617577Z",
      "updatedAt": "2024-06-04T03:31:28.192345Z",
      "otherIds": []
    },
    {
      "id": "440352eb-241a-4cac-834f-e0980ffca888",
      "organization": {
        "id": "3f424caf-0eba-4813-b3e7-7ca0393af888",
        "name": "test organization",
        "createdAt": "2024-03-05T22:17:23.520948Z",
        "updatedAt": "2024-04-09T21:15:15.615765Z"
      },
      "sku": "MX03-N-BLUE",
      "brand": {
        "id": "5643b7ee-7df1-48c6-b690-1e29ffa8a888",
        "name": "",
        "nameNormalized": "",
        "createdAt": "2024-03-05T22:17:28.679732Z"
      },
      "gtin": "",
      "name": "SKU Blue",
      "remarks": "",
      "imageMain": "",
      "packageLengthMm": 1500.0,
      "packageWidthMm": 260.0,
      "packageHeightMm": 810.0,
      "shippingWeightKg": 34.0,
      "caseUnit": "CARTON",
      "casePack": 1,
      "caseLengthMm": 0.0,
      "caseWidthMm": 0.0,
      "caseHeightMm": 0.0,
      "caseWeightKg": 0.0,
      "condition": "NEW",
      "serialNumberRequired": false,
      "expiryDateRequired": false,
      "unknown": false,
      "createdAt": "2024-03-05T22:20:44.106742Z",
      "updatedAt": "2024-04-01T14:31:19.875675Z",
      "otherIds": []
    },
    {
      "id": "bab7c35b-2ecb-4b40-be82-8dc1e0a86888",
      "organization": {
        "id": "3f424caf-0eba-4813-b3e7-7ca0393af888",
        "name": "test organization",
        "createdAt": "2024-03-05T22:17:23.520948Z",
        "updatedAt": "2024-04-09T21:15:15.615765Z"
      },
      "sku": "SKU-GREY",
      "brand": {
        "id": "5643b7ee-7df1-48c6-b690-1e29ffa8a888",
        "name": "",
        "nameNormalized": "",
        "createdAt": "2024-03-05T22:17:28.679732Z"
      },
      "gtin": "",
      "name": "SKU GREY",
      "remarks": "",
      "imageMain": "",
      "packageLengthMm": 1500.0,
      "packageWidthMm": 260.0,
      "packageHeightMm": 810.0,
      "shippingWeightKg": 35.0,
      "caseUnit": "CARTON",
      "casePack": 1,
      "caseLengthMm": 0.0,
      "caseWidthMm": 0.0,
      "caseHeightMm": 0.0,
      "caseWeightKg": 0.0,
      "condition": "NEW",
      "serialNumberRequired": false,
      "expiryDateRequired": false,
      "unknown": false,
      "createdAt": "2024-03-05T22:20:44.132006Z",
      "updatedAt": "2024-04-01T14:31:19.885955Z",
      "otherIds": []
    },
    {
      "id": "f4053402-e79b-45c2-8621-377d28060888",
      "organization": {
        "id": "3f424caf-0eba-4813-b3e7-7ca0393af888",
        "name": "test organization",
        "createdAt": "2024-03-05T22:17:23.520948Z",
        "updatedAt": "2024-04-09T21:15:15.615765Z"
      },
      "sku": "TEST-BLACK",
      "brand": {
        "id": "5643b7ee-7df1-48c6-b690-1e29ffa8a888",
        "name": "",
        "nameNormalized": "",
        "createdAt": "2024-03-05T22:17:28.679732Z"
      },
      "gtin": "871160888",
      "name": "SKU Black",
      "remarks": "",
      "imageMain": "",
      "packageLengthMm": 1470.0,
      "packageWidthMm": 310.0,
      "packageHeightMm": 790.0,
      "shippingWeightKg": 34.0,
      "caseUnit": "EACH",
      "casePack": 0,
      "caseLengthMm": 0.0,
      "caseWidthMm": 0.0,
      "caseHeightMm": 0.0,
      "caseWeightKg": 0.0,
      "condition": "NEW",
      "serialNumberRequired": false,
      "expiryDateRequired": false,
      "unknown": false,
      "createdAt": "2024-03-05T22:20:44.087204Z",
      "updatedAt": "2024-03-05T22:20:44.087204Z",
      "otherIds": []
    },
    {
      "id": "4d5ab278-86f3-4237-993b-b16a19360888",
      "organization": {
        "id": "3f424caf-0eba-4813-b3e7-7ca0393af888",
        "name": "test organization",
        "createdAt": "2024-03-05T22:17:23.520948Z",
        "updatedAt": "2024-04-09T21:15:15.615765Z"
      },
      "sku": "S600-LIGHT-GRAY",
      "brand": {
        "id": "5643b7ee-7df1-48c6-b690-1e29ffa8a888",
        "name": "",
        "nameNormalized": "",
        "createdAt": "2024-03-05T22:17:28.679732Z"
      },
      "gtin": "",
      "name": "SKU GRAY",
      "remarks": "",
      "imageMain": "",
      "packageLengthMm": 1520.0,
      "packageWidthMm": 310.0,
      "packageHeightMm": 820.0,
      "shippingWeightKg": 44.0,
      "caseUnit": "CARTON",
      "casePack": 1,
      "caseLengthMm": 0.0,
      "caseWidthMm": 0.0,
      "caseHeightMm": 0.0,
      "caseWeightKg": 0.0,
      "condition": "NEW",
      "serialNumberRequired": false,
      "expiryDateRequired": false,
      "unknown": false,
      "createdAt": "2024-04-01T14:31:19.830702Z",
      "updatedAt": "2024-04-01T14:31:19.830702Z",
      "otherIds": []
    }
  ],
  "items": [
    {
      "warehouseId": "9cae310d-c440-4d78-bdc0-bf306ec33888",
      "level": {
        "productId": "f4053402-e79b-45c2-8621-377d28060888",
        "available": 0,
        "incoming": 0,
        "reserved": -13,
        "updatedAt": "2024-06-03T03:40:41.743844Z"
      }
    },
    {
      "warehouseId": "9cae310d-c440-4d78-bdc0-bf306ec33888",
      "level": {
        "productId": "440352eb-241a-4cac-834f-e0980ffc888",
        "available": 11,
        "incoming": 0,
        "reserved": -7,
        "updatedAt": "2024-06-03T03:40:41.743844Z"
      }
    },
    {
      "warehouseId": "9cae310d-c440-4d78-bdc0-bf306ec33888",
      "level": {
        "productId": "bab7c35b-2ecb-4b40-be82-8dc1e0a86171",
        "available": 17,
        "incoming": 0,
        "reserved": -7,
        "updatedAt": "2024-06-04T05:53:31.054574Z"
      }
    },
    {
      "warehouseId": "9cae310d-c440-4d78-bdc0-bf306ec33888",
      "level": {
        "productId": "4d5ab278-86f3-4237-993b-b16a19360b41",
        "available": 9,
        "incoming": 0,
        "reserved": 0,
        "updatedAt": "2024-04-01T15:06:00.817191Z"
      }
    },
    {
      "warehouseId": "9cae310d-c440-4d78-bdc0-bf306ec33888",
      "level": {
        "productId": "3775cc37-30e7-4579-a58e-c9adda6fa888",
        "available": 0,
        "incoming": 0,
        "reserved": -2,
        "updatedAt": "2024-06-04T05:53:31.054574Z"
      }
    }
  ]
}
"""  # noqa: E501

LOGIN_REQUEST = """\
POST /login
Content-Type: application/json

{"email":"EMAIL","password":"PASSWORD"}
"""

LOGIN_ANSWER = """\
{
  "type": "SUCCESS",
  "accessToken": "...",
  "user": {
    "id": "0a4bc32d-2856-4736-9539-317bfd6d7888",
    "name": "test",
    "email": "EMAIL",
    "active": true,
    "inactiveReason": null,
    "createdAt": "2024-04-11T02:53:07.654503Z",
    "updatedAt": "2024-06-04T01:24:31.153252Z",
    "organizations": [
      {
        "organization": {
          "id": "3f424caf-0eba-4813-b3e7-7ca0393af888",
          "name": "test organization",
          "createdAt": "...",
          "updatedAt": "..."
        },
        "role": "ADMIN",
        "permissions": []
      }
    ],
    "workspaces": [],
    "hostRole": "USER"
  }
}
"""

TOKEN_PAYLOAD = """\
{"aud":"s2core","iss":"s2core","userId":"...","userVersion":0,"exp":1718069402}
"""

ERROR_ANSWER = """\
{"message":"An unexpected error occurred on our server. To help us efficiently resolve the issue, please include the following reference ID when contacting support: ee21f844-efab-44f2-809b-37d19545968b. "}
"""  # noqa: E501

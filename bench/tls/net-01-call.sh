# NET-01, step 1.4, as reported.
curl -v --cacert ca.crt -X POST "https://localhost:8443/mcp/http" \
-H "Authorization: Bearer $TOKEN" \
-H "Content-Type: application/json" \
-d '{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}'

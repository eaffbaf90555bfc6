# NET-01, step 1.3, as reported.
curl -v --cacert ca.crt -X POST "https://localhost:8443/gateways" \
-H "Authorization: Bearer $TOKEN" \
-H "Content-Type: application/json" \
-d '{
"name": "mtls-test-server",
"url": "https://localhost:9000/sse",
"tls_config": {
"ca_cert": "/tmp/certs/ca.crt",
"client_cert": "/tmp/certs/client.crt",
"client_key": "/tmp/certs/client.key"
}
}'

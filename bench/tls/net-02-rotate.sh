# NET-02, steps 2.2 to 2.4, as reported.
openssl genrsa -out /tmp/certs/server-new.key 2048
openssl req -new -key /tmp/certs/server-new.key -out /tmp/certs/server-new.csr -subj "/CN=localhost"
openssl x509 -req -in /tmp/certs/server-new.csr -CA /tmp/certs/ca.crt -CAkey /tmp/certs/ca.key \
-CAcreateserial -out /tmp/certs/server-new.crt -days 365
cp /tmp/certs/server-new.crt /tmp/certs/server.crt
cp /tmp/certs/server-new.key /tmp/certs/server.key
kill -HUP $(pgrep -f mcpgateway)

# NET-02, step 2.1, as reported.
while true; do
curl -s -o /dev/null -w "%{http_code}\n" --cacert /tmp/certs/ca.crt https://localhost:8443/health \
&& echo "$(date +%H:%M:%S) - OK" || echo "$(date +%H:%M:%S) - FAIL";
sleep 0.5;
done

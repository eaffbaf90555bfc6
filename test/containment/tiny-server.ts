/** The smallest MCP server: a shell script in the busybox image that answers `initialize`, `ping`, and every tool call. */

/** What the shell runs. It finds the id of a request by cutting the text, which is enough for the ids of the gateway. */
export const TINY_SERVER = `while IFS= read -r line; do
  id=\${line#*'"id":'}; id=\${id%%[,\\}]*}
  case "$line" in
    *'"method":"initialize"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"tiny","version":"1"}}}';;
    *'"method":"tools/list"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"tools":[{"name":"hi","inputSchema":{"type":"object"}}]}}';;
    *'"method":"tools/call"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"content":[{"type":"text","text":"hi"}]}}';;
    *'"method":"ping"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{}}';;
  esac
done`;

/** Servers whose every byte the test writes: what is odd about them stays with them, and what is exact stays exact. */
import { describe, expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../rig/gateway.ts';
import { busyboxImage } from '../rig/images.ts';
import { rawClient } from './raw-client.ts';

/** A shell script that shakes hands and then runs `answer` for each further request, with its id in $id. */
function script(answer: string): string {
  const result =
    '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}';
  return `
    while read -r line; do
      id=$(echo "$line" | sed -n 's/.*"id":\\([0-9]*\\).*/\\1/p')
      case "$line" in
        *'"initialize"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":${result}}' ;;
        *'"notifications/'*) ;;
        *'"ping"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{}}' ;;
        *) ${answer} ;;
      esac
    done`;
}

async function gatewayWith(answer: string, gateway: object = {}): Promise<RunningGateway> {
  return startGateway({
    config: {
      mcpServers: {
        odd: { container: await busyboxImage(), entrypoint: 'sh', entrypointArgs: ['-c', script(answer)] },
      },
      gateway: { ...gateway },
    },
  });
}

describe('servers with odd answers', () => {
  it('T-PTL-003 numbers, key order and unknown members reach the client byte for byte', async () => {
    const result = '{"z":1.0,"a":12345678901234567890,"content":[],"x":1e400,"__proto__":{"y":1}}';
    await using gateway = await gatewayWith(`echo '{"result": ${result}, "id":'$id', "jsonrpc":"2.0"}'`);
    const client = await rawClient(gateway.url('odd'), gateway.authorization);
    // No event stream, which an answer that is long in coming would be.
    const { body } = await client.post('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"any"}}', {
      accept: 'application/json',
    });
    expect(body).toBe(`{"result": ${result}, "id":7, "jsonrpc":"2.0"}`);
  });

  it('T-PTL-006 T-TMO-004 half a message is waited for until the timeout, which names the server', async () => {
    await using gateway = await gatewayWith(`printf '{"jsonrpc":"2.0","id":%s,"resu' $id; sleep 60`, {
      toolTimeout: 10,
    });
    const client = await rawClient(gateway.url('odd'), gateway.authorization);
    const { answer } = await client.request('tools/call', { name: 'any' });
    expect(answer.error).toMatchObject({ code: -32002, data: { server: 'odd' } });
  });

  it('T-PTL-006 a message that comes in pieces arrives whole', async () => {
    await using gateway = await gatewayWith(
      `printf '{"jsonrpc":"2.0","id":%s,"resu' $id; sleep 0.2; printf 'lt":{"content":[{"type":"te'; sleep 0.2; printf 'xt","text":"whole"}]}}\\n'`,
    );
    const client = await rawClient(gateway.url('odd'), gateway.authorization);
    expect((await client.request('tools/call', { name: 'any' })).answer.result).toEqual({
      content: [{ type: 'text', text: 'whole' }],
    });
  });

  it('lines that are not JSON, answers to nobody and foreign ids are passed over', async () => {
    await using gateway = await gatewayWith(
      `echo 'hello, I am a log line'; echo '{"jsonrpc":"2.0","id":9999,"result":{}}'; echo '[]'; echo '{"jsonrpc":"2.0","id":'$id',"result":{"ok":true}}'`,
    );
    const client = await rawClient(gateway.url('odd'), gateway.authorization);
    expect((await client.request('tools/call', { name: 'any' })).answer.result).toEqual({ ok: true });
  });

  it('a question that nobody can answer is refused, and the call goes on', async () => {
    await using gateway = await gatewayWith(
      `echo '{"jsonrpc":"2.0","id":"q","method":"roots/list"}'; read -r refusal; echo "$refusal" >&2; echo '{"jsonrpc":"2.0","id":'$id',"result":{"ok":true}}'`,
    );
    const client = await rawClient(gateway.url('odd'), gateway.authorization);
    expect((await client.request('tools/call', { name: 'any' })).answer.result).toEqual({ ok: true });
    await gateway.until(({ stderr }) => (stderr.includes('no single addressee') ? true : undefined));
  });

  it('a result with a raw line break between its tokens does not break the event stream', async () => {
    await using gateway = await gatewayWith(
      `printf '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info",\\t"data":"x"}}\\n'; echo '{"jsonrpc":"2.0","id":'$id',"result":{"ok":true}}'`,
    );
    const client = await rawClient(gateway.url('odd'), gateway.authorization);
    const { messages } = await client.request('tools/call', { name: 'any' });
    expect(messages.map(({ method }) => method)).toEqual(['notifications/message', undefined]);
  });
});

/** What a client does beside its requests: it listens, it leaves, it ends its session. */
import { vi } from 'vitest';
import type { RawClient, RawMessage } from '../raw-client.ts';
import { scanMessages } from '../scan-messages.ts';

export interface SessionStream extends AsyncDisposable {
  /** The messages that have come, oldest first. */
  readonly messages: () => RawMessage[];
  /** Resolves when the text has come. */
  until(text: string): Promise<void>;
  /** Resolves when the gateway ends the stream in good order, rejects when it breaks. */
  readonly ended: Promise<void>;
}

/** Opens the standing stream of the client's session. */
export async function openSessionStream(url: string, authorization: string, client: RawClient): Promise<SessionStream> {
  const leave = new AbortController();
  const response = await fetch(url, {
    headers: { authorization, accept: 'text/event-stream', ...sessionHeader(client) },
    signal: leave.signal,
  });
  if (response.status !== 200) throw new Error(`no stream: ${response.status} ${await response.text()}`);
  let text = '';
  const read = async (): Promise<void> => {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
  };
  const ended = read();
  ended.catch(() => undefined);
  // The last event may not be whole yet.
  const messages = (): RawMessage[] => scanMessages('text/event-stream', text.slice(0, text.lastIndexOf('\n\n') + 1));
  return {
    messages,
    ended,
    until: (part) =>
      vi.waitFor(
        () => {
          if (!text.includes(part)) throw new Error(`"${part}" has not come on the stream`);
        },
        { timeout: 20_000, interval: 10 },
      ),
    [Symbol.asyncDispose]: async () => {
      leave.abort();
      await ended.catch(() => undefined);
    },
  };
}

export async function endSession(url: string, authorization: string, client: RawClient): Promise<number> {
  const response = await fetch(url, { method: 'DELETE', headers: { authorization, ...sessionHeader(client) } });
  return response.status;
}

/** Counts that `GET /status` gives. */
export async function gatewayStatus(
  origin: string,
  authorization: string,
): Promise<{
  readonly sessions: number;
  readonly requestsInFlight: number;
  readonly servers: readonly { readonly name: string; readonly state: string; readonly conversations: number }[];
}> {
  const response = await fetch(`${origin}/status`, { headers: { authorization } });
  return (await response.json()) as Awaited<ReturnType<typeof gatewayStatus>>;
}

function sessionHeader({ sessionId }: RawClient): Record<string, string> {
  return sessionId === undefined ? {} : { 'mcp-session-id': sessionId };
}

/** Reads the JSON-RPC messages in a body. */
import type { RawMessage } from './raw-client.ts';

export function scanMessages(contentType: string, body: string): RawMessage[] {
  if (contentType.startsWith('application/json')) return body === '' ? [] : [JSON.parse(body) as RawMessage];
  if (!contentType.startsWith('text/event-stream')) return [];
  return (
    body
      .split('\n')
      // An event without data only gives the client something to resume by.
      .filter((line) => line.startsWith('data:') && line.trim() !== 'data:')
      .map((line) => JSON.parse(line.slice('data:'.length)) as RawMessage)
  );
}

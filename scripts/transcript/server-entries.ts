/** Reads what passed between the gateway and one server from the gateway's record of messages. */
import type { Entry } from './elicitations.ts';

interface Line {
  readonly direction: 'IN' | 'OUT';
  readonly server_id: string;
  readonly payload: { readonly id?: unknown; readonly method?: string };
}

/** What only prepares a call. */
const PREPARATION = /^(initialize|notifications\/initialized|server\/discover|ping|.*\/list|subscriptions\/listen)$/;

/** `text` is a part of `rpc-messages.jsonl`. */
export function serverEntries(text: string, server: string): Entry[] {
  const lines = text.split('\n').filter((line) => line !== '');
  const prepared = new Set<string>();
  return lines.flatMap((line): Entry[] => {
    const { direction, server_id, payload }: Line = JSON.parse(line);
    if (server_id !== server) return [];
    const asked = direction === 'OUT' ? 'gateway' : 'server';
    if (payload.method !== undefined && PREPARATION.test(payload.method)) {
      prepared.add(`${asked} ${JSON.stringify(payload.id)}`);
      return [];
    }
    const answersTo = `${asked === 'server' ? 'gateway' : 'server'} ${JSON.stringify(payload.id)}`;
    if (payload.method === undefined && prepared.delete(answersTo)) return [];
    return [{ from: asked, text: JSON.stringify(payload) }];
  });
}

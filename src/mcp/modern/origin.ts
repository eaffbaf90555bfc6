/** Says in a question to a client which server asks: behind a shared endpoint the client cannot know it otherwise. */
import { findSpan, scanObject, setMember, sliceSpan, splice, type Edit } from '../json-text.ts';

/** Clients must show who asks (2026-07-28, client/elicitation). */
const ORIGIN_KEY = 'io.gatehouse/server';

/** The params of a question, raw JSON text, with the name of the server that asks. */
export function withOrigin(params: string, server: string): string {
  const meta = findSpan(params, ['_meta']);
  const text = meta === undefined ? '{}' : sliceSpan(params, meta);
  if (!params.startsWith('{') || !text.startsWith('{')) return params;
  return setMember(params, '_meta', setMember(text, ORIGIN_KEY, JSON.stringify(server)));
}

/** An `input_required` result, raw JSON text, whose questions all name the server that asks; other results pass. */
export function withOrigins(result: string, server: string): string {
  const members = scanObject(result);
  const type = members.get('resultType');
  const requests = members.get('inputRequests');
  if (type === undefined || requests === undefined || sliceSpan(result, type) !== '"input_required"') return result;
  return splice(result, [{ span: requests, text: requestsWithOrigin(sliceSpan(result, requests), server) }]);
}

/** The same for the member `inputRequests` of such a result, raw JSON text. */
export function requestsWithOrigin(requests: string, server: string): string {
  const edits: Edit[] = [];
  for (const request of scanObject(requests).values()) {
    const text = sliceSpan(requests, request);
    const params = findSpan(text, ['params']);
    const named = withOrigin(params === undefined ? '{}' : sliceSpan(text, params), server);
    edits.push({ span: request, text: setMember(text, 'params', named) });
  }
  return splice(requests, edits);
}

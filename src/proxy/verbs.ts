/** Requests at the endpoints for messages, of callers who may know of them: by the verb of each. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../shared/errors.ts';
import type { RequestHead } from '../shared/request-head.ts';
import { pathOnly } from './admission.ts';
import type { ClientResponse } from './client-response.ts';
import { recordDenial } from './denial.ts';
import { refuseModernVerb } from './downstream/modern-http.ts';
import { openSse } from './downstream/sse-link.ts';
import { handleDelete, handleGet } from './downstream/streamable-http.ts';
import type { Admitted } from './exchange.ts';
import type { Front } from './front.ts';
import { handlePost } from './pipeline.ts';
import { routeKey, type SsePart } from './route.ts';

/** As node:http has read it. Rejects with what is to be said instead of an answer, which then is written down. */
export async function answerAt(
  front: Front,
  request: IncomingMessage,
  response: ServerResponse,
  admitted: Admitted,
): Promise<void> {
  refuseModernVerb(request);
  await recordingDenials(front, request, admitted, () => answerVerb(front, request, response, admitted));
}

/** The same for a GET that the fast path has read. */
export async function openStream(
  front: Front,
  request: RequestHead,
  response: ClientResponse,
  admitted: Admitted,
): Promise<void> {
  refuseModernVerb(request);
  await recordingDenials(front, request, admitted, () => {
    admitted.runtime.signatures?.check(request, '');
    handleGet(front, request, response, admitted);
  });
}

async function recordingDenials(
  front: Front,
  request: RequestHead,
  { requestId, principal, runtime, address, route }: Admitted,
  work: () => Promise<void> | void,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const action = `${request.method ?? ''} ${pathOnly(request)}`;
    const denied = { requestId, principal, runtime, address, action, server: routeKey(route), target: undefined };
    if (error instanceof GatewayError) await recordDenial(front.recordDenial, error, () => denied);
    throw error;
  }
}

async function answerVerb(
  front: Front,
  request: IncomingMessage,
  response: ServerResponse,
  admitted: Admitted,
): Promise<void> {
  // What has a body is checked when it has been read.
  if (request.method !== 'POST') admitted.runtime.signatures?.check(request, '');
  const { sse } = admitted.route;
  if (sse !== undefined) return await handleSse(front, request, response, admitted, sse);
  switch (request.method) {
    case 'POST':
      return await handlePost(front, request, response, admitted);
    case 'GET':
      return handleGet(front, request, response, admitted);
    case 'DELETE':
      return handleDelete(front, request, response, admitted);
    default:
      response.setHeader('allow', 'GET, POST, DELETE');
      throw new GatewayError(
        'method_not_allowed',
        `The endpoint does not know the HTTP method ${request.method ?? ''}.`,
      );
  }
}

async function handleSse(
  front: Front,
  request: IncomingMessage,
  response: ServerResponse,
  admitted: Admitted,
  part: SsePart,
): Promise<void> {
  const verb = part === 'stream' ? 'GET' : 'POST';
  if (request.method !== verb) {
    response.setHeader('allow', verb);
    throw new GatewayError('method_not_allowed', `This address of the HTTP+SSE transport knows only ${verb}.`);
  }
  if (part === 'stream') return openSse(front, response, admitted);
  return handlePost(front, request, response, admitted, front.links.find(request, admitted));
}

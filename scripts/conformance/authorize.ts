/** Loaded into the process of the official suite, which cannot be told to authenticate: adds an Authorization header. */
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { Agent, setGlobalDispatcher } from 'undici';
import type { Dispatcher } from 'undici';

const authorization = process.env['CONFORMANCE_AUTHORIZATION'];

if (authorization !== undefined) {
  const agent = new Agent().compose((dispatch) => (options, handler) => {
    const headers = [...pairsOf(options.headers), 'authorization', authorization];
    return dispatch({ ...options, headers }, handler);
  });
  setGlobalDispatcher(agent);
  // Scenarios about headers write them one by one, with the plain client of Node.
  const { request } = http;
  const authorized = (...parameters: Parameters<typeof request>): http.ClientRequest => {
    const sent = request(...parameters);
    if (!sent.headersSent) sent.setHeader('authorization', authorization);
    return sent;
  };
  Object.assign(http, { request: authorized });
  syncBuiltinESMExports();
}

/** The suite's own requests come with an object, those of `fetch` with a list. */
function pairsOf(headers: Dispatcher.DispatchOptions['headers']): string[] {
  if (Array.isArray(headers)) return headers;
  return Object.entries(headers ?? {}).flatMap(([name, value]) => [name, String(value)]);
}

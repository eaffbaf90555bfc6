/** What the results of the modern era carry beside their content, and what the legacy era must not see of it. */
import { findSpan, scanObject, setMember, sliceSpan } from '../json-text.ts';
import type { JsonOutline, OutlineChanges } from '../json-outline.ts';
import { JsonScanError, JsonScanner } from '../json-scanner.ts';
import type { Place } from '../passing-edits.ts';
import { SERVER_LIMITS } from '../shape.ts';
import { isObject, type Json, type JsonObject } from '../message.ts';
import { SERVER_INFO_KEY, without } from './envelope.ts';

export type CacheScope = 'public' | 'private';

/** How long a result may be kept, and by whom. */
export interface CacheHint {
  /** In ms, ≥ 0; 0 = not at all. */
  readonly ttlMs: number;
  readonly cacheScope: CacheScope;
}

export const UNCACHED: CacheHint = { ttlMs: 0, cacheScope: 'private' };

/** Methods whose complete results must say how long they may be kept (2026-07-28, server/utilities/caching). */
const CACHEABLE = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
]);

const MAX_META_BYTES = 64 * 1024;

/** What a server said of a result; what it did not say, or said wrongly, is taken as "do not keep". */
export function readCacheHint(result: string): CacheHint {
  const members = scanObject(result);
  const ttl = value(result, members.get('ttlMs'));
  const scope = value(result, members.get('cacheScope'));
  return {
    ttlMs: typeof ttl === 'number' && Number.isFinite(ttl) && ttl >= 0 ? Math.floor(ttl) : 0,
    cacheScope: scope === 'public' ? 'public' : 'private',
  };
}

/** The hint for a result made of several: the shortest time, and private as soon as one of them is. */
export function mergeCacheHints(hints: readonly CacheHint[]): CacheHint {
  if (hints.length === 0) return UNCACHED;
  return {
    ttlMs: Math.min(...hints.map(({ ttlMs }) => ttlMs)),
    cacheScope: hints.every(({ cacheScope }) => cacheScope === 'public') ? 'public' : 'private',
  };
}

/** What kind of result it is; servers of older versions say nothing, which means `complete`. */
export function resultTypeOf(result: JsonObject): string {
  return typeof result['resultType'] === 'string' ? result['resultType'] : 'complete';
}

/**
 * A result of a legacy server as a modern client expects it. `serverInfo` is raw JSON text. What the server said itself
 * stays.
 */
export function modernResult(method: string, result: string, serverInfo: string | undefined, hint = UNCACHED): string {
  const members = scanObject(result);
  let text = result;
  if (serverInfo !== undefined) text = stampServerInfo(text, serverInfo);
  if (CACHEABLE.has(method) && !members.has('cacheScope'))
    text = setMember(text, 'cacheScope', JSON.stringify(hint.cacheScope));
  if (CACHEABLE.has(method) && !members.has('ttlMs')) text = setMember(text, 'ttlMs', String(hint.ttlMs));
  return members.has('resultType') ? text : setMember(text, 'resultType', '"complete"');
}

/** The same as changes of a result that was scanned. */
export function modernChanges(method: string, result: JsonOutline, serverInfo: string | undefined): OutlineChanges {
  const { inner } = result;
  const changes: Record<string, string> = {};
  const meta = inner.get('_meta');
  // Nobody reads megabytes to find one name in them.
  const text = meta === undefined ? '{}' : meta.end - meta.start > MAX_META_BYTES ? '' : result.cut(meta);
  if (serverInfo !== undefined && text.startsWith('{') && !scanObject(text).has(SERVER_INFO_KEY))
    changes['_meta'] = setMember(text, SERVER_INFO_KEY, serverInfo);
  if (CACHEABLE.has(method) && !inner.has('cacheScope')) changes['cacheScope'] = JSON.stringify(UNCACHED.cacheScope);
  if (CACHEABLE.has(method) && !inner.has('ttlMs')) changes['ttlMs'] = String(UNCACHED.ttlMs);
  return { inner: inner.has('resultType') ? changes : { ...changes, resultType: '"complete"' } };
}

/** The same for one that passes while it comes: what is looked at in the result, and what is added at its end. */
export function modernPlace(method: string, serverInfo: string | undefined): Place {
  const stamp = serverInfo === undefined ? undefined : `${JSON.stringify(SERVER_INFO_KEY)}:${serverInfo}`;
  const wanted = new Map([['resultType', '"complete"']]);
  if (CACHEABLE.has(method)) {
    wanted.set('cacheScope', JSON.stringify(UNCACHED.cacheScope));
    wanted.set('ttlMs', String(UNCACHED.ttlMs));
  }
  if (stamp !== undefined) wanted.set('_meta', `{${stamp}}`);
  const members = new Map<string, Place>([...wanted.keys()].map((name) => [name, {}]));
  if (stamp !== undefined)
    members.set('_meta', {
      members: new Map([[SERVER_INFO_KEY, {}]]),
      atEnd: (seen) => (seen.length === 0 ? stamp : ''),
    });
  const atEnd = (seen: readonly string[]): string =>
    [...wanted].flatMap(([name, text]) => (seen.includes(name) ? [] : [`"${name}":${text}`])).join(',');
  return { members, atEnd };
}

/** Says who answered, unless the result does. */
export function stampServerInfo(result: string, serverInfo: string): string {
  const meta = findSpan(result, ['_meta']);
  const text = meta === undefined ? '{}' : sliceSpan(result, meta);
  if (!text.startsWith('{') || scanObject(text).has(SERVER_INFO_KEY)) return result;
  return setMember(result, '_meta', setMember(text, SERVER_INFO_KEY, serverInfo));
}

/** A result of a modern server without what legacy clients do not know. */
export function legacyResult(result: string): string {
  return without(result, Object.keys(NOT_LEGACY));
}

/** The same as changes of a result that was scanned. */
export const NOT_LEGACY = { resultType: undefined, ttlMs: undefined, cacheScope: undefined } as const;

/**
 * The same for one that passes while it comes. Throws a JsonScanError when it says behind its content that it is of
 * another type: whoever lets it pass has seen no sign of that (`passesAsComplete`).
 */
export function legacyPlace(): Place {
  const members = new Map<string, Place>(Object.keys(NOT_LEGACY).map((name) => [name, { drop: true }]));
  members.set('resultType', {
    drop: true,
    edit(raw) {
      if (raw.startsWith('"') && JSON.parse(raw) !== 'complete')
        throw new JsonScanError('syntax', 'it names its type behind its content', 0);
      return raw;
    },
  });
  return { members, drops: true };
}

/** Members that results have which are complete, and no others. */
const OF_COMPLETE = new Set(['content', 'structuredContent', 'contents', 'messages']);

/** True when the beginning of a response (UTF-8) shows that its result asks for nothing. */
export function passesAsComplete(beginning: Buffer): boolean {
  const scanner = new JsonScanner(SERVER_LIMITS, ['result']);
  try {
    scanner.push(beginning);
  } catch {
    return false;
  }
  const type = scanner.inner.get('resultType');
  if (type !== undefined) return beginning.toString('utf8', type.start, type.end) === '"complete"';
  const names = [...scanner.inner.keys(), scanner.currentInner];
  return !names.includes('inputRequests') && names.some((name) => name !== undefined && OF_COMPLETE.has(name));
}

/** A result that is kept for its own client only, if it may be kept at all. */
export function privateResult(result: string): string {
  return scanObject(result).has('cacheScope') ? setMember(result, 'cacheScope', '"private"') : result;
}

/** The questions of an `input_required` result: raw JSON text of each request, by its key; undefined when it asks nothing. */
export interface InputRequired {
  readonly requests: readonly InputRequest[];
  /** Raw JSON text; undefined when there is none. */
  readonly requestState: string | undefined;
}

export interface InputRequest {
  readonly key: string;
  readonly method: string;
  /** Raw JSON text. */
  readonly params: string;
}

/** Reads an `input_required` result; undefined when it is not well formed. */
export function readInputRequired(result: string): InputRequired | undefined {
  const members = scanObject(result);
  const stateSpan = members.get('requestState');
  const requestState = stateSpan && sliceSpan(result, stateSpan);
  const asked = members.get('inputRequests');
  if (asked === undefined) return requestState === undefined ? undefined : { requests: [], requestState };
  const requests: InputRequest[] = [];
  for (const [key, span] of scanObject(result, asked.start)) {
    const request = scanObject(result, span.start);
    const method = value(result, request.get('method'));
    const params = request.get('params');
    if (typeof method !== 'string') return undefined;
    requests.push({ key, method, params: params === undefined ? '{}' : sliceSpan(result, params) });
  }
  return { requests, requestState };
}

/** The text of an `input_required` result. `requests` by key, each as raw JSON of `{method, params}`. */
export function inputRequiredText(requests: ReadonlyMap<string, string>, requestState: string): string {
  const members = [...requests].map(([key, request]) => `${JSON.stringify(key)}:${request}`);
  return `{"resultType":"input_required","inputRequests":{${members.join(',')}},"requestState":${JSON.stringify(requestState)}}`;
}

/** The capability that a client must have declared to be asked with this method; undefined for methods that nobody may ask with. */
export function capabilityFor(method: string): 'elicitation' | 'sampling' | 'roots' | undefined {
  if (method === 'elicitation/create') return 'elicitation';
  if (method === 'sampling/createMessage') return 'sampling';
  return method === 'roots/list' ? 'roots' : undefined;
}

/**
 * What of a question the client did not declare, in the form of `data.requiredCapabilities`; undefined when it can be
 * asked. An elicitation capability without modes means forms (2026-07-28, client/elicitation).
 */
export function missingCapabilities(
  method: string,
  params: Json | undefined,
  declared: JsonObject,
): JsonObject | undefined {
  const name = capabilityFor(method);
  if (name === undefined) return {};
  const capability = declared[name];
  if (!isObject(capability)) return name === 'elicitation' ? { elicitation: { [modeOf(params)]: {} } } : { [name]: {} };
  if (name === 'elicitation') {
    const mode = modeOf(params);
    const modes = Object.keys(capability).filter((key) => key === 'form' || key === 'url');
    if (modes.length === 0 ? mode !== 'form' : !modes.includes(mode)) return { elicitation: { [mode]: {} } };
  }
  if (name === 'sampling' && isObject(params) && params['tools'] !== undefined && !isObject(capability['tools']))
    return { sampling: { tools: {} } };
  return undefined;
}

function modeOf(params: Json | undefined): 'form' | 'url' {
  return isObject(params) && params['mode'] === 'url' ? 'url' : 'form';
}

function value(text: string, span: { readonly start: number; readonly end: number } | undefined): Json | undefined {
  return span === undefined ? undefined : (JSON.parse(sliceSpan(text, span)) as Json);
}

/** What each modern request says of its sender in `params._meta`: read, stamped and taken out. */
import { scanObject, setMember, sliceSpan, splice, type Edit } from '../json-text.ts';
import { isObject, outlinedMessage, paramsOf, parseMessage, rawIn, type JsonObject, type Message } from '../message.ts';
import { MODERN_VERSION } from '../versions.ts';

const PREFIX = 'io.modelcontextprotocol/';
export const PROTOCOL_VERSION_KEY = `${PREFIX}protocolVersion`;
export const CLIENT_CAPABILITIES_KEY = `${PREFIX}clientCapabilities`;
export const CLIENT_INFO_KEY = `${PREFIX}clientInfo`;
export const LOG_LEVEL_KEY = `${PREFIX}logLevel`;
export const SERVER_INFO_KEY = `${PREFIX}serverInfo`;
export const SUBSCRIPTION_ID_KEY = `${PREFIX}subscriptionId`;

/** The keys with which a request describes its sender. */
const SENDER_KEYS = [PROTOCOL_VERSION_KEY, CLIENT_CAPABILITIES_KEY, CLIENT_INFO_KEY, LOG_LEVEL_KEY];

export interface Envelope {
  readonly protocolVersion: string;
  /** Raw JSON text. */
  readonly clientCapabilities: string;
  readonly capabilities: JsonObject;
  /** Raw JSON text; undefined when the client keeps it to itself. */
  readonly clientInfo: string | undefined;
  readonly logLevel: string | undefined;
}

export type EnvelopeReading =
  | { readonly kind: 'none' }
  | { readonly kind: 'invalid'; readonly problem: string }
  | { readonly kind: 'valid'; readonly envelope: Envelope };

/** The envelope of a message. A message without the version key makes no claim to be modern. */
export function readEnvelope(message: Message): EnvelopeReading {
  const meta = message.parameter('_meta');
  if (!isObject(meta) || meta[PROTOCOL_VERSION_KEY] === undefined) return { kind: 'none' };
  const protocolVersion = meta[PROTOCOL_VERSION_KEY];
  if (typeof protocolVersion !== 'string') return invalid(PROTOCOL_VERSION_KEY, 'must be a string');
  const capabilities = meta[CLIENT_CAPABILITIES_KEY];
  if (message.kind === 'request' && !isObject(capabilities))
    return invalid(CLIENT_CAPABILITIES_KEY, capabilities === undefined ? 'is missing' : 'must be an object');
  const clientInfo = meta[CLIENT_INFO_KEY];
  if (clientInfo !== undefined && !isObject(clientInfo)) return invalid(CLIENT_INFO_KEY, 'must be an object');
  const logLevel = meta[LOG_LEVEL_KEY];
  if (logLevel !== undefined && typeof logLevel !== 'string') return invalid(LOG_LEVEL_KEY, 'must be a string');
  const envelope = new MessageEnvelope(message, protocolVersion, isObject(capabilities) ? capabilities : {}, logLevel);
  return { kind: 'valid', envelope };
}

/**
 * A class, because an object literal with getters gets a hidden class of its own each time, which V8 keeps, with the
 * message behind it, until the next full collection.
 */
class MessageEnvelope implements Envelope {
  readonly protocolVersion: string;
  readonly capabilities: JsonObject;
  readonly logLevel: string | undefined;
  readonly #message: Message;

  constructor(message: Message, protocolVersion: string, capabilities: JsonObject, logLevel: string | undefined) {
    this.#message = message;
    this.protocolVersion = protocolVersion;
    this.capabilities = capabilities;
    this.logLevel = logLevel;
  }

  // Only the bridge to legacy servers needs their text.
  get clientCapabilities(): string {
    return rawMeta(this.#message, CLIENT_CAPABILITIES_KEY) ?? '{}';
  }
  get clientInfo(): string | undefined {
    return rawMeta(this.#message, CLIENT_INFO_KEY);
  }
}

function invalid(key: string, problem: string): EnvelopeReading {
  return { kind: 'invalid', problem: `params._meta["${key}"] ${problem}.` };
}

function rawMeta(message: Message, key: string): string | undefined {
  return rawIn(message, ['params', '_meta', key]);
}

/** Who a request is sent for; each text is raw JSON. */
export interface Sender {
  readonly clientInfo: string;
  readonly clientCapabilities: string;
  readonly logLevel?: string | undefined;
}

/** A request or notification with the envelope of this sender; its other `_meta` stays. */
export function stampEnvelope(message: Message, sender: Sender): Message {
  let meta = isObject(paramsOf(message)['_meta']) ? (rawIn(message, ['params', '_meta']) ?? '{}') : '{}';
  meta = setMember(meta, CLIENT_INFO_KEY, sender.clientInfo);
  meta = setMember(meta, CLIENT_CAPABILITIES_KEY, sender.clientCapabilities);
  if (sender.logLevel !== undefined) meta = setMember(meta, LOG_LEVEL_KEY, JSON.stringify(sender.logLevel));
  meta = setMember(meta, PROTOCOL_VERSION_KEY, JSON.stringify(MODERN_VERSION));
  const { outline } = message;
  if (outline?.innerOf === 'params') return outlinedMessage(outline.with({ inner: { _meta: meta } }));
  const params = message.member('params');
  const text = setMember(params === undefined ? '{}' : sliceSpan(message.text, params), '_meta', meta);
  return parseMessage(setMember(message.text, 'params', text));
}

/** The message without the members that only modern servers know: the envelope and the answers of a retry. */
export function stripEnvelope(message: Message): Message {
  const { outline } = message;
  if (outline?.innerOf === 'params') {
    const own = rawIn(message, ['params', '_meta']);
    const inner = { inputResponses: undefined, requestState: undefined };
    const meta = own === undefined ? {} : { _meta: without(own, SENDER_KEYS) };
    return outlinedMessage(outline.with({ inner: { ...inner, ...meta } }));
  }
  const params = message.member('params');
  if (params === undefined) return message;
  const text = sliceSpan(message.text, params);
  const members = scanObject(text);
  const edits: Edit[] = [];
  const meta = members.get('_meta');
  if (meta !== undefined) edits.push({ span: meta, text: without(sliceSpan(text, meta), SENDER_KEYS) });
  const stripped = without(splice(text, edits), ['inputResponses', 'requestState']);
  return parseMessage(splice(message.text, [{ span: params, text: stripped }]));
}

/** The object without some of its members; `{}` stays. */
export function without(object: string, keys: readonly string[]): string {
  const kept: string[] = [];
  let removed = false;
  for (const [name, span] of scanObject(object)) {
    if (keys.includes(name)) removed = true;
    else kept.push(`${JSON.stringify(name)}:${sliceSpan(object, span)}`);
  }
  return removed ? `{${kept.join(',')}}` : object;
}

/** JSON-RPC batches, which protocol version 2025-03-26 knows and no later one does: several messages in one POST, their answers in one array. */
import { scanArray, sliceSpan } from '../../mcp/json-text.ts';
import { errorText } from '../../mcp/message.ts';
import { LARGE_TEXT } from '../../mcp/shape.ts';
import { GatewayError } from '../../shared/errors.ts';
import { rpcErrorOf } from '../respond.ts';
import type { Session } from '../session.ts';
import type { ClientLink } from './client-link.ts';
import type { ReplyChannel } from './reply.ts';

const MAX_MESSAGES = 100;
/** What single messages begin with. */
const BRACE = 0x7b;

/** The messages of a batch, each as its own text; undefined when the body is none. Throws `parse_error` and `invalid_request`. */
export function batchOf(body: string): readonly string[] | undefined {
  if (body.charCodeAt(0) === BRACE || !/^[ \t\r\n]*\[/.test(body)) return undefined;
  try {
    // Larger ones were scanned while they came.
    if (body.length <= LARGE_TEXT) JSON.parse(body);
  } catch {
    throw new GatewayError('parse_error', 'The message is not valid JSON.');
  }
  const spans = scanArray(body);
  if (spans.length === 0 || spans.length > MAX_MESSAGES)
    throw new GatewayError('invalid_request', `A batch holds 1 to ${MAX_MESSAGES} messages.`);
  return spans.map((span) => sliceSpan(body, span));
}

/** Throws `invalid_request` where the version of the client has no batches. */
export function checkBatches(session: Session | undefined, header: string | undefined): void {
  const version = session?.protocolVersion ?? header ?? '2025-03-26';
  if (version === '2025-03-26' || version === '2024-11-05') return;
  throw new GatewayError('invalid_request', `Version ${version} has no JSON-RPC batches; send one message.`);
}

/** Collects the answers of a batch and gives them together, after everything that precedes them. */
export class Batch {
  readonly session: Session | undefined;
  readonly #reply: ReplyChannel;
  readonly #answers: string[] = [];

  constructor(reply: ReplyChannel, session: Session | undefined) {
    this.#reply = reply;
    this.session = session;
  }

  /** The link of one of its messages. */
  part(text: string): ClientLink {
    const reply = this.#reply;
    const answers = this.#answers;
    return {
      session: this.session,
      text,
      reply: (_response, requestId) => ({
        get open() {
          return reply.open;
        },
        setHeader: () => undefined,
        hold: (held) => reply.hold(held),
        send: (message) => reply.send(message),
        answer: (answer) => void answers.push(answer),
        answerPieces: (pieces) => void answers.push(Buffer.concat(pieces).toString('utf8')),
        fail: (error, id) => void answers.push(errorText(id, rpcErrorOf(error, requestId))),
        keepAlive: () => undefined,
        drop: () => undefined,
        accept: () => undefined,
      }),
      opened: () => undefined,
      fail: (answer) => answers.push(answer) > 0,
    };
  }

  /** All messages are worked on. */
  end(): void {
    if (this.#answers.length === 0) this.#reply.accept();
    else this.#reply.answer(`[${this.#answers.join(',')}]`);
  }
}

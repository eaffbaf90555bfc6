/** The guard that keeps large tool results out of the conversation: it writes them to a file and answers where the file is. */
import { join } from 'node:path';
import { findSpan, scanObject, sliceSpan, splice } from '../mcp/json-text.ts';
import { resultText, type Message } from '../mcp/message.ts';
import {
  PASS,
  type Guard,
  type GuardAnswer,
  type GuardContext,
  type LargeGuardAnswer,
  type LargeResult,
} from './guard.ts';
import { PayloadFiles, type PayloadLog } from './payload-files.ts';
import { ShapeReader } from './shape-reader.ts';

/** A disk that somebody else needs too must not be filled by tool results. */
const MAX_TOTAL_BYTES = 4 * 1024 ** 3;

const PREVIEW_CHARACTERS = 500;
/** Enough for the preview, whatever its characters. */
const PREVIEW_BYTES = 4 * PREVIEW_CHARACTERS;
const METHOD = 'tools/call';

const AGENT_INSTRUCTIONS =
  'The result of this tool call is too large to be shown here. The whole of it is in the JSON file at payloadPath; ' +
  'payloadSchema describes its structure and payloadPreview shows its beginning. Read from the file what you need.';

export interface PayloadStorageOptions {
  /** Absolute path of the directory for the files; made when it is not there. */
  readonly directory: string;
  /** Stands in place of `directory` in the paths that clients get: the same directory as they see it. */
  readonly pathPrefix: string | undefined;
  /** Results whose JSON text has more bytes than this are written to a file. */
  readonly threshold: number;
  readonly log: PayloadLog;
  /** Limit for the files of all sessions together, in bytes; beyond it results stay inline. */
  readonly maxTotalBytes?: number;
}

export interface PayloadStorage extends Guard, AsyncDisposable {
  onResponse(message: Message, context: GuardContext): Promise<GuardAnswer>;
  onLargeResult(result: LargeResult, context: GuardContext): Promise<LargeGuardAnswer>;
  /** Makes the directory and removes what dead runs left in it. Rejects with the reason when the directory cannot be used. */
  start(): Promise<void>;
  /**
   * Removes the files of a session. Call it when the last exchange of the session has ended: a result that comes later
   * stays on disk until the gateway stops. Never rejects: what cannot be removed is logged.
   */
  forgetSession(key: string): Promise<void>;
}

/** A result that cannot be written reaches the client unchanged: a full disk must never cost an answer. */
export function createPayloadStorage(options: PayloadStorageOptions): PayloadStorage {
  const { directory, pathPrefix, threshold, log, maxTotalBytes = MAX_TOTAL_BYTES } = options;
  const files = new PayloadFiles({ directory, maxTotalBytes, log });
  const shapes = new ShapeReader();
  const clientPath = (path: string): string => `${(pathPrefix ?? directory).replace(/\/+$/, '')}/${path}`;
  const inline = (error: unknown, { server, toolName }: GuardContext): typeof PASS => {
    log.warn(
      { err: error, server, tool: toolName },
      'a large result could not be written to the payload directory and is passed on inline',
    );
    return PASS;
  };

  return {
    name: 'payload-storage',
    method: METHOD,

    start: () => files.prepare(),

    async onResponse(message, context) {
      const text = largeResult(message, context, threshold);
      if (text === undefined) return PASS;
      try {
        const path = await files.write(context.sessionId, text);
        const answer = {
          agentInstructions: AGENT_INSTRUCTIONS,
          payloadPath: clientPath(path),
          payloadPreview: previewOf(text),
          payloadSchema: await shapes.of(text),
          originalSize: Buffer.byteLength(text),
        };
        return { kind: 'replace', text: withResult(message, answer) };
      } catch (error) {
        return inline(error, context);
      }
    },

    async onLargeResult(result, context) {
      if (context.method !== METHOD || result.bytes <= threshold) return PASS;
      // As in `largeResult`.
      if (result.member('isError') === 'true' || !result.isArray('content')) return PASS;
      try {
        const path = await files.write(context.sessionId, result.pieces);
        const answer = {
          agentInstructions: AGENT_INSTRUCTIONS,
          payloadPath: clientPath(path),
          payloadPreview: previewOf(beginningOf(result)),
          // Read once more by the thread itself: handing it over would copy it here.
          payloadSchema: await shapes.ofFile(join(directory, path)),
          originalSize: result.bytes,
        };
        return { kind: 'replace-result', result: resultOf(answer, result.member('resultType')) };
      } catch (error) {
        return inline(error, context);
      }
    },

    async forgetSession(key) {
      try {
        await files.forget(key);
      } catch (error) {
        log.warn({ err: error, directory }, 'the payload files of a session could not be removed');
      }
    },

    async [Symbol.asyncDispose]() {
      await shapes[Symbol.asyncDispose]();
      try {
        await files[Symbol.asyncDispose]();
      } catch (error) {
        log.warn({ err: error, directory }, 'payload files could not be removed');
      }
    },
  };
}

/** The JSON text of the result of a finished tool call above the threshold; undefined for everything else. */
function largeResult(message: Message, context: GuardContext, threshold: number): string | undefined {
  if (context.method !== METHOD) return undefined;
  const text = resultText(message);
  // No character takes more than three bytes of UTF-8 per code unit: most results need not be counted.
  if (text === undefined || text.length * 3 <= threshold || Buffer.byteLength(text) <= threshold) return undefined;
  // Looked at as text: parsing what is large may take seconds.
  const members = scanObject(text);
  const [isError, content] = [members.get('isError'), members.get('content')];
  // An error must be read by the model, and what has no content is no result yet: a question to the client, a task.
  if (isError !== undefined && sliceSpan(text, isError) === 'true') return undefined;
  return content !== undefined && text[content.start] === '[' ? text : undefined;
}

function withResult(message: Message, answer: object): string {
  const span = message.member('result');
  if (span === undefined) return message.text;
  const type = findSpan(message.text, ['resultType'], span.start);
  return splice(message.text, [{ span, text: resultOf(answer, type && sliceSpan(message.text, type)) }]);
}

/** `type` is the JSON text of the type that the result had. */
function resultOf(answer: object, type: string | undefined): string {
  const kept = type === undefined ? '' : `"resultType":${type},`;
  const content = JSON.stringify([{ type: 'text', text: JSON.stringify(answer) }]);
  return `{${kept}"content":${content}}`;
}

function beginningOf({ pieces }: LargeResult): string {
  const beginning: Buffer[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    if (bytes >= PREVIEW_BYTES) break;
    beginning.push(piece.subarray(0, PREVIEW_BYTES - bytes));
    bytes += piece.length;
  }
  return Buffer.concat(beginning).toString('utf8');
}

/** The beginning of the text; never half of a character outside the basic plane. */
function previewOf(text: string): string {
  if (text.length <= PREVIEW_CHARACTERS) return text;
  const end = /[\uD800-\uDBFF]/.test(text.charAt(PREVIEW_CHARACTERS - 1)) ? PREVIEW_CHARACTERS - 1 : PREVIEW_CHARACTERS;
  return `${text.slice(0, end)}...`;
}

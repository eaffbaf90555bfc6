/** A message of which everything was read when it came: parsed as a text, or scanned as bytes. */
import type { JsonOutline } from './json-outline.ts';
import type { Span } from './json-text.ts';
import type { Json, JsonObject, Message, MessageKind } from './message.ts';

export type Described = Pick<Message, 'kind' | 'id' | 'method' | 'failed' | 'value' | 'members' | 'params'>;

abstract class ReadMessage {
  readonly kind: MessageKind;
  readonly id: string | undefined;
  readonly method: string | undefined;
  readonly failed: boolean;
  readonly value: JsonObject;
  abstract readonly members: ReadonlyMap<string, Span>;
  abstract readonly params: ReadonlyMap<string, Span>;

  constructor({ kind, id, method, failed, value }: Described) {
    this.kind = kind;
    this.id = id;
    this.method = method;
    this.failed = failed;
    this.value = value;
  }

  member(name: string): Span | undefined {
    return this.members.get(name);
  }
  param(name: string): Span | undefined {
    return this.params.get(name);
  }
  parameter(name: string): Json | undefined {
    return parameterIn(this.value, name);
  }
}

export class ParsedMessage extends ReadMessage implements Message {
  readonly text: string;
  readonly members: ReadonlyMap<string, Span>;
  readonly params: ReadonlyMap<string, Span>;

  constructor(text: string, described: Described) {
    super(described);
    this.text = text;
    this.members = described.members;
    this.params = described.params;
  }
}

export class LargeMessage extends ReadMessage implements Message {
  readonly outline: JsonOutline;
  readonly #params: ReadonlyMap<string, Span>;

  /** The places are those of the outline, in bytes. */
  constructor(outline: JsonOutline, described: Described) {
    super(described);
    this.outline = outline;
    this.#params = described.params;
  }

  get text(): string {
    return this.outline.text;
  }
  get members(): ReadonlyMap<string, Span> {
    return this.outline.spansInText(this.outline.members);
  }
  get params(): ReadonlyMap<string, Span> {
    return this.outline.spansInText(this.#params);
  }
}

function parameterIn({ params }: JsonObject, name: string): Json | undefined {
  if (typeof params !== 'object' || params === null || Array.isArray(params)) return undefined;
  return (params as JsonObject)[name];
}

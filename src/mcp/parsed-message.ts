/** A message of which everything was read when it came: parsed as a text, or scanned as bytes. */
import type { JsonOutline } from './json-outline.ts';
import type { Span } from './json-text.ts';
import type { Json, JsonObject, Message, MessageKind } from './message.ts';

export type Described = Pick<Message, 'kind' | 'id' | 'method' | 'failed' | 'value' | 'members' | 'params'>;

export class ParsedMessage implements Message {
  readonly kind: MessageKind;
  readonly text: string;
  readonly id: string | undefined;
  readonly method: string | undefined;
  readonly failed: boolean;
  readonly value: JsonObject;
  readonly members: ReadonlyMap<string, Span>;
  readonly params: ReadonlyMap<string, Span>;

  constructor(text: string, { kind, id, method, failed, value, members, params }: Described) {
    this.kind = kind;
    this.text = text;
    this.id = id;
    this.method = method;
    this.failed = failed;
    this.value = value;
    this.members = members;
    this.params = params;
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

export class LargeMessage implements Message {
  readonly kind: MessageKind;
  readonly id: string | undefined;
  readonly method: string | undefined;
  readonly failed: boolean;
  readonly value: JsonObject;
  readonly outline: JsonOutline;
  readonly #params: ReadonlyMap<string, Span>;

  /** The places are those of the outline, in bytes. */
  constructor(outline: JsonOutline, { kind, id, method, failed, value, params }: Described) {
    this.kind = kind;
    this.id = id;
    this.method = method;
    this.failed = failed;
    this.value = value;
    this.outline = outline;
    this.#params = params;
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

function parameterIn({ params }: JsonObject, name: string): Json | undefined {
  if (typeof params !== 'object' || params === null || Array.isArray(params)) return undefined;
  return (params as JsonObject)[name];
}

/** A large answer that is passed on and changed on its way, where it names what its endpoint names otherwise. */
import type { PassingEdits } from '../../mcp/passing-edits.ts';
import type { AnswerSink } from '../../upstream/upstream.ts';

export class EditedAnswer implements AnswerSink {
  readonly #sink: AnswerSink;
  readonly #edits: PassingEdits;
  onReady: () => void = () => undefined;
  onGone: AnswerSink['onGone'] = () => undefined;

  constructor(sink: AnswerSink, edits: PassingEdits) {
    this.#sink = sink;
    this.#edits = edits;
    sink.onReady = () => this.onReady();
    sink.onGone = (reason) => this.onGone(reason);
  }

  write(bytes: Buffer): boolean {
    let isReady = true;
    for (const piece of this.#edits.push(bytes)) isReady = this.#sink.write(piece) && isReady;
    return isReady;
  }

  end(last: string): void {
    const pieces = this.#edits.push(Buffer.from(last));
    // Whole: what a character is made of does not stand in two places here.
    this.#sink.end(Buffer.concat(pieces).toString('utf8'));
  }

  cut(): void {
    this.#sink.cut();
  }
}

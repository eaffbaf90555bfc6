/** A thing that several owners use together and that ends when the last of them lets go. */

export interface Lease<T> extends AsyncDisposable {
  readonly value: T;
}

export class Shared<T extends AsyncDisposable> {
  readonly value: T;
  #owners = 0;
  #ended: PromiseLike<void> | undefined;

  constructor(value: T) {
    this.value = value;
  }

  /** True once nobody owns it any more; it cannot be leased again then. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** One more owner. Disposing the lease twice counts once; disposing the last one resolves when the thing has ended. */
  lease(): Lease<T> {
    if (this.ended) throw new Error('what has ended cannot be shared any more');
    this.#owners++;
    let released: Promise<void> | undefined;
    return {
      value: this.value,
      [Symbol.asyncDispose]: () => {
        released ??= this.#release();
        return released;
      },
    };
  }

  async #release(): Promise<void> {
    this.#owners--;
    if (this.#owners > 0) return;
    this.#ended = this.value[Symbol.asyncDispose]();
    await this.#ended;
  }
}

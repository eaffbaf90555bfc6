/**
 * Reads container arguments as an operator writes them (`run --rm -i -e TOKEN image …`) into typed options.
 * Nothing of the list is ever passed on: the engine's arguments are generated anew from what was understood, so
 * whatever this parser does not know cannot reach the engine.
 */
import { ACCEPTED, type ContainerOptions, type Given, REFUSED, SHORT } from './container-options.ts';

export interface ArgumentFault {
  /** Which argument is wrong; undefined when one is missing. */
  readonly index: number | undefined;
  readonly message: string;
  readonly suggestion: string;
}

export interface ParsedArguments {
  readonly options: ContainerOptions;
  /** The first argument that is no option, as written; only in a whole command line. */
  readonly image: Given<string> | undefined;
  /** Everything after the image. */
  readonly imageArguments: readonly string[];
  readonly faults: readonly ArgumentFault[];
}

/** How an argument may be quoted when it came from the environment and may be secret; undefined when it did not. */
export type Quoting = (index: number) => string | undefined;

/** Reads `run [options] image [arguments]`, with `--rm` and `-i` among the options. */
export function parseRunArguments(args: readonly string[], quoting: Quoting = () => undefined): ParsedArguments {
  const [subcommand] = args;
  if (subcommand !== 'run') {
    const isOption = subcommand?.startsWith('-') === true;
    return {
      options: emptyOptions(),
      image: undefined,
      imageArguments: [],
      faults: [
        {
          index: subcommand === undefined ? undefined : 0,
          message: isOption
            ? `${quote(subcommand, quoting(0))} stands before 'run': options there steer the engine itself and are not accepted`
            : `the arguments must start with 'run'${subcommand === undefined ? '' : `, got ${quote(subcommand, quoting(0))}`}`,
          suggestion: 'Write ["run", "--rm", "-i", "image:tag"].',
        },
      ],
    };
  }
  const reader = new Reader(args, 1, quoting);
  reader.options();
  reader.image();
  if (reader.isComplete) {
    for (const [name, written] of [
      ['rm', '--rm'],
      ['interactive', '-i'],
    ] as const) {
      if (!reader.seen.has(name)) {
        reader.faults.push({
          index: 0,
          message: `${written} is missing`,
          suggestion: `Write "run", "--rm", "-i" before the image: containers are removed when they end, and the gateway talks over standard input.`,
        });
      }
    }
  }
  return reader.result();
}

/** Reads options only, where the image stands in a field of its own. */
export function parseOptionArguments(args: readonly string[], quoting: Quoting = () => undefined): ParsedArguments {
  const reader = new Reader(args, 0, quoting);
  reader.options();
  reader.noMore();
  return reader.result();
}

function emptyOptions(): ContainerOptions {
  return { env: [], mounts: [], dropped: [] };
}

/** Hyphens of other alphabets and dashes, which look like the start of an option and are none. */
const LOOKS_LIKE_HYPHEN = /^[\u00ad\u2010-\u2015\u2043\u2212\u2796\ufe58\ufe63\uff0d]/;
const CONTROL = /\p{Cc}/u;

class Reader {
  readonly seen = new Set<string>();
  readonly faults: ArgumentFault[] = [];
  /** False after an argument that could not be understood: what follows cannot be told apart any more. */
  isComplete = true;
  readonly #args: readonly string[];
  readonly #quoting: Quoting;
  readonly #options = emptyOptions();
  #at: number;
  #image: Given<string> | undefined;
  #imageArguments: readonly string[] = [];

  constructor(args: readonly string[], start: number, quoting: Quoting) {
    this.#args = args;
    this.#at = start;
    this.#quoting = quoting;
  }

  result(): ParsedArguments {
    return { options: this.#options, image: this.#image, imageArguments: this.#imageArguments, faults: this.faults };
  }

  /** Reads up to the first argument that is no option. */
  options(): void {
    while (this.isComplete && this.#at < this.#args.length) {
      const arg = this.#args[this.#at] ?? '';
      const index = this.#at;
      if (CONTROL.test(arg))
        this.#stop(`${this.#quote(index)} holds a control character`, 'Remove line ends and other control characters.');
      else if (LOOKS_LIKE_HYPHEN.test(arg))
        this.#stop(
          `${this.#quote(index)} starts with a character that only looks like a hyphen`,
          'Type the option again with plain hyphens.',
        );
      else if (arg === '--') this.#stop("'--' is not accepted before the image", 'Remove it.');
      else if (arg.startsWith('--')) this.#long(arg, index);
      else if (arg.startsWith('-') && arg !== '-') this.#shorts(arg.slice(1), index);
      else return;
    }
  }

  /** Takes the image and everything behind it. */
  image(): void {
    if (!this.isComplete) return;
    const image = this.#args[this.#at];
    if (image === undefined) {
      this.faults.push({
        index: this.#args.length - 1,
        message: 'no image is named after the options',
        suggestion: 'End the options with an image: ["run", "--rm", "-i", "ghcr.io/owner/name:1.2"].',
      });
      return;
    }
    if (image.trim().toLowerCase() === 'run') {
      this.#stop("a second 'run' stands where the image should be", 'Write "run" once, at the very start.');
      return;
    }
    this.#image = { value: image, index: this.#at };
    this.#imageArguments = this.#args.slice(this.#at + 1);
  }

  /** Reports an argument that is no option, where only options may stand. */
  noMore(): void {
    if (this.isComplete && this.#at < this.#args.length) {
      this.#stop(
        `${this.#quote(this.#at)} is not an option`,
        "Name the image in 'container' and what follows it in the field for entry point arguments.",
      );
    }
  }

  #long(arg: string, index: number): void {
    const equals = arg.indexOf('=');
    const name = arg.slice(2, equals === -1 ? undefined : equals);
    this.#option(name, `--${name}`, equals === -1 ? undefined : arg.slice(equals + 1), index);
  }

  /** `-i`, `-it`, `-eNAME`, `-e=NAME`, `-ie NAME`: letters up to the first that takes a value. */
  #shorts(letters: string, index: number): void {
    for (let at = 0; at < letters.length && this.isComplete; at += 1) {
      const letter = letters[at] ?? '';
      const name = SHORT.get(letter);
      const rest = letters.slice(at + 1);
      if (name === undefined) {
        const inGroup = letters.length > 1 && this.#quoting(index) === undefined ? ` in ${this.#quote(index)}` : '';
        this.#unknown(`-${letter}`, index, inGroup);
        return;
      }
      const takesValue = ACCEPTED.get(name)?.takesValue ?? REFUSED.get(name)?.takesValue ?? false;
      if (takesValue || rest.startsWith('=')) {
        const glued = rest.startsWith('=') ? rest.slice(1) : rest;
        this.#option(name, `-${letter}`, rest === '' ? undefined : glued, index);
        return;
      }
      this.#option(name, `-${letter}`, undefined, index, false);
    }
    this.#at += 1;
  }

  /** One option whose name is known to be whole; moves past it and its value unless it stands in a group of letters. */
  #option(name: string, written: string, glued: string | undefined, index: number, advance = true): void {
    const accepted = ACCEPTED.get(name);
    const refused = REFUSED.get(name);
    if (accepted === undefined && refused === undefined) {
      this.#unknown(written, index, '');
      return;
    }
    const takesValue = (accepted ?? refused)?.takesValue === true;
    if (advance) this.#at += 1;
    const label = this.#quoting(index) === undefined ? written : this.#quote(index);
    let valueIndex = index;
    let value = glued;
    if (takesValue && glued === undefined) {
      valueIndex = this.#at;
      value = this.#args[valueIndex];
      this.#at += 1;
    }
    if (refused !== undefined) {
      this.faults.push({
        index,
        message: `container option ${label} is not accepted: ${refused.reason}`,
        suggestion: refused.instead,
      });
      return;
    }
    if (accepted === undefined) return;
    if (takesValue && (value === undefined || value === '')) {
      this.faults.push({
        index,
        message: `container option ${label} needs a value`,
        suggestion: `Write "${written}" and its value as two arguments.`,
      });
      return;
    }
    if (value !== undefined && CONTROL.test(value) && name !== 'env') {
      this.faults.push({
        index: valueIndex,
        message: `the value of container option ${label} holds a control character`,
        suggestion: 'Remove line ends and other control characters.',
      });
      return;
    }
    if (takesValue && accepted.repeats !== true && this.seen.has(name)) {
      this.faults.push({
        index,
        message: `container option ${label} is given twice`,
        suggestion: 'Keep one of them; it cannot be known which one was meant.',
      });
      return;
    }
    this.seen.add(name);
    const fault = accepted.apply(
      value ?? 'true',
      this.#options,
      valueIndex,
      quote(value ?? '', this.#quoting(valueIndex)),
    );
    if (fault !== undefined)
      this.faults.push({
        index: valueIndex,
        message: `container option ${label}: ${fault.message}`,
        suggestion: fault.suggestion,
      });
  }

  #unknown(written: string, index: number, where: string): void {
    const label = this.#quoting(index) === undefined ? written : this.#quote(index);
    this.#stop(
      `container option ${label}${where} is not accepted: it is not on the list of options that are`,
      'Remove it; docs/reference/configuration.md lists the options that are accepted.',
    );
  }

  #stop(message: string, suggestion: string): void {
    this.faults.push({ index: this.#at, message, suggestion });
    this.isComplete = false;
  }

  #quote(index: number): string {
    return quote(this.#args[index] ?? '', this.#quoting(index));
  }
}

function quote(text: string, written: string | undefined): string {
  if (written !== undefined) return `the value of '${written}'`;
  const printable = text.replaceAll(
    /[^\x20-\x7e]/g,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
  return `'${printable.length > 120 ? `${printable.slice(0, 117)}...` : printable}'`;
}

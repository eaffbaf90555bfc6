/** What is running: name, version, the specification that it follows, and the commit where it is known. */
import { readFileSync } from 'node:fs';
import { SPECIFICATION_VERSION } from '../config/defaults.ts';

export interface BuildInformation {
  readonly name: string;
  readonly version: string;
  readonly specVersion: string;
  /** Of Node. */
  readonly node: string;
  /** Full hash; absent from a published package. */
  readonly commit?: string;
}

/** Reads package.json and, in a checkout, git's own files; starts no process. */
export function buildInformation(): BuildInformation {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    name: string;
    version: string;
  };
  const commit = checkedOutCommit();
  return {
    name: manifest.name,
    version: manifest.version,
    specVersion: SPECIFICATION_VERSION,
    node: process.version,
    ...(commit === undefined ? {} : { commit }),
  };
}

function checkedOutCommit(): string | undefined {
  const head = gitFile('HEAD');
  const reference = /^ref: (refs\/[\w./-]+)$/.exec(head ?? '')?.[1];
  const commit = reference === undefined ? head : (gitFile(reference) ?? packedCommit(reference));
  return commit !== undefined && /^[0-9a-f]{40,64}$/.test(commit) ? commit : undefined;
}

function packedCommit(reference: string): string | undefined {
  return gitFile('packed-refs')
    ?.split('\n')
    .find((line) => line.endsWith(` ${reference}`))
    ?.split(' ')[0];
}

function gitFile(name: string): string | undefined {
  try {
    return readFileSync(new URL(`../../.git/${name}`, import.meta.url), 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Certificates for handshakes that succeed or fail in one certain way, made by openssl for one test file. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface LeafOptions {
  /** Such as `DNS:localhost,IP:127.0.0.1`; undefined = no subjectAltName. */
  readonly names?: string;
  readonly commonName?: string;
  /** Negative = expired. */
  readonly days?: number;
}

/** A certificate authority that lives as long as the test file. */
export class Authority implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'certificates-'));
  #serial = 0;

  constructor() {
    this.#openssl(
      'req',
      '-x509',
      ...EC_KEY,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '30',
      '-subj',
      '/CN=Test CA',
    );
  }

  get pair(): KeyPair {
    return this.#read('ca');
  }

  issue({ names, commonName = 'localhost', days = 10 }: LeafOptions): KeyPair {
    const name = `leaf-${++this.#serial}`;
    this.#openssl('req', ...EC_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${commonName}`);
    writeFileSync(
      join(this.#folder, `${name}.ext`),
      names === undefined ? 'basicConstraints=CA:FALSE\n' : `subjectAltName=${names}\n`,
    );
    this.#openssl(
      ...[
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-set_serial',
        String(this.#serial),
      ],
      ...['-days', String(days), '-extfile', `${name}.ext`, '-out', `${name}.pem`],
    );
    return this.#read(name);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #read(name: string): KeyPair {
    return {
      cert: readFileSync(join(this.#folder, `${name}.pem`), 'utf8'),
      key: readFileSync(join(this.#folder, `${name}.key`), 'utf8'),
    };
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'ignore' });
  }
}

const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'] as const;

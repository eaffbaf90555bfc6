/** Makes authorities, certificates and revocation lists with the openssl command, as an operator would. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface IssueOptions {
  /** File name without ending; default: the common name. */
  readonly file?: string;
  /** Subject alternative names such as `DNS:localhost,IP:127.0.0.1`; default: none. */
  readonly san?: string;
  /** `serverAuth`, `clientAuth`; default: none, good for both. */
  readonly usage?: string;
  /** From now, in days; negative = in the past. Defaults 0 and 365. */
  readonly fromDays?: number;
  readonly untilDays?: number;
  /** Who issues it; default: the authority of the PKI. */
  readonly issuer?: Issued;
  /** An intermediate authority. */
  readonly ca?: boolean;
  readonly rsaBits?: number;
}

export interface Issued {
  readonly cert: string;
  readonly key: string;
  /** Upper-case hexadecimal digits. */
  readonly serial: string;
}

export interface Pki extends Disposable {
  readonly folder: string;
  readonly ca: Issued;
  path(name: string): string;
  /** A certificate signed by the authority. */
  issue(commonName: string, options?: IssueOptions): Issued;
  /** A revocation list; `untilDays` may be negative. Returns its path. */
  crl(
    file: string,
    revoked: readonly Issued[],
    options?: { readonly untilDays?: number; readonly issuer?: Issued },
  ): string;
  openssl(...args: string[]): string;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** A new authority in a folder of its own. */
export function createPki(name = 'Test CA'): Pki {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-pki-'));
  const path = (file: string): string => join(folder, file);
  const openssl = (...args: string[]): string =>
    execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  let count = 0;

  const keyFor = (file: string, rsaBits: number | undefined): void => {
    if (rsaBits === undefined) openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${file}.key`);
    else openssl('genrsa', '-out', `${file}.key`, String(rsaBits));
  };
  const serialOf = (cert: string): string =>
    openssl('x509', '-in', cert, '-noout', '-serial').trim().replace('serial=', '');
  const issued = (file: string): Issued => ({
    cert: path(`${file}.crt`),
    key: path(`${file}.key`),
    serial: serialOf(`${file}.crt`),
  });

  keyFor('ca', undefined);
  openssl(
    'req',
    '-x509',
    '-new',
    '-key',
    'ca.key',
    '-out',
    'ca.crt',
    '-days',
    '365',
    '-subj',
    `/CN=${name}`,
    '-addext',
    'keyUsage=critical,keyCertSign,cRLSign',
  );
  const ca = issued('ca');

  const issue = (commonName: string, options: IssueOptions = {}): Issued => {
    count += 1;
    const file = options.file ?? commonName;
    const issuer = options.issuer ?? ca;
    keyFor(file, options.rsaBits);
    openssl('req', '-new', '-key', `${file}.key`, '-out', `${file}.csr`, '-subj', `/CN=${commonName}`);
    writeFileSync(path('database'), '');
    writeFileSync(
      path('serial'),
      `${Date.now().toString(16)}${(count % 256).toString(16).padStart(2, '0')}`.padStart(14, '0'),
    );
    const extensions = [
      ...(options.ca === true
        ? ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign']
        : ['basicConstraints=CA:FALSE']),
      ...(options.san === undefined ? [] : [`subjectAltName=${options.san}`]),
      ...(options.usage === undefined ? [] : [`extendedKeyUsage=${options.usage}`]),
    ];
    writeFileSync(path('ca.cnf'), configuration(extensions));
    const from = new Date(Date.now() + (options.fromDays ?? 0) * DAY_MS - 60_000);
    const until = new Date(Date.now() + (options.untilDays ?? 365) * DAY_MS);
    const dates = ['-startdate', stamp(from), '-enddate', stamp(until)];
    openssl(
      'ca',
      '-batch',
      '-notext',
      '-config',
      'ca.cnf',
      '-cert',
      issuer.cert,
      '-keyfile',
      issuer.key,
      ...dates,
      '-in',
      `${file}.csr`,
      '-out',
      `${file}.crt`,
    );
    return issued(file);
  };

  const crl: Pki['crl'] = (file, revoked, options = {}) => {
    const issuer = options.issuer ?? ca;
    const now = stamp(new Date(Date.now() - 60_000));
    const lines = revoked.map(
      ({ serial }) => `R\t${stamp(new Date(Date.now() + DAY_MS))}\t${now}\t${serial}\tunknown\t/CN=revoked\n`,
    );
    writeFileSync(path('database'), lines.join(''));
    writeFileSync(path('crlnumber'), '01');
    writeFileSync(path('ca.cnf'), configuration([]));
    const until = new Date(Date.now() + (options.untilDays ?? 30) * DAY_MS);
    const last = new Date(Math.min(Date.now() - 60_000, until.getTime() - DAY_MS));
    openssl(
      'ca',
      '-gencrl',
      '-config',
      'ca.cnf',
      '-cert',
      issuer.cert,
      '-keyfile',
      issuer.key,
      '-crl_lastupdate',
      stamp(last),
      '-crl_nextupdate',
      stamp(until),
      '-out',
      file,
    );
    return path(file);
  };

  return {
    folder,
    ca,
    path,
    issue,
    crl,
    openssl,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function configuration(extensions: readonly string[]): string {
  return [
    '[ca]',
    'default_ca = own',
    '[own]',
    'database = database',
    'serial = serial',
    'crlnumber = crlnumber',
    'new_certs_dir = .',
    'default_md = sha256',
    'policy = any',
    'unique_subject = no',
    'x509_extensions = leaf',
    'default_days = 365',
    'default_crl_days = 30',
    '[any]',
    'commonName = supplied',
    '[leaf]',
    ...extensions,
    '',
  ].join('\n');
}

/** `YYYYMMDDHHMMSSZ`, or with two digits of the year as the database wants it: both are read. */
function stamp(date: Date): string {
  return `${date.toISOString().replaceAll(/[-:T]/g, '').slice(2, 14)}Z`;
}

/** The container images that tests run, built once per content and shared by all test files. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { imageFrom, nodeImage } from '../../scripts/setup/node-image.ts';
import { run } from '../../scripts/setup/run.ts';

let fixture: Promise<string> | undefined;
let busybox: Promise<string> | undefined;
let conformance: Promise<string> | undefined;

/** The full-featured fixture server on stdio (`test/fixtures/servers/stdio.ts`). Its options go into arguments or `env`. */
export async function fixtureImage(): Promise<string> {
  fixture ??= nodeImage('gatehouse-test-fixture', 'test/fixtures/servers/stdio.ts');
  return fixture;
}

/** The conformance server on stdio; its one argument is the build: `dual`, `legacy` or `modern`. */
export async function conformanceImage(): Promise<string> {
  conformance ??= nodeImage('gatehouse-test-conformance', 'test/fixtures/servers/conformance/stdio.ts');
  return conformance;
}

/** Two megabytes with a shell, for servers whose every byte a test writes itself: entrypoint `sh`, arguments `-c …`. */
export async function busyboxImage(): Promise<string> {
  busybox ??= buildBusybox();
  return busybox;
}

async function buildBusybox(): Promise<string> {
  const version = await run('/bin/busybox', []);
  if (version.status === undefined) throw new Error('/bin/busybox is missing: apt-get install busybox-static');
  const banner = version.stdout.split('\n')[0] ?? '';
  return imageFrom('gatehouse-test-busybox', [banner], async (folder) => {
    await mkdir(join(folder, 'bin'));
    await copyFile('/bin/busybox', join(folder, 'bin/busybox'));
    return 'FROM scratch\nCOPY bin /bin\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\nENV PATH=/bin\n';
  });
}

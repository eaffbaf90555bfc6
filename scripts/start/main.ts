/** Brings up the demonstration servers and the gateway in front of them, says how to use it, and takes it all down again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { obtainDocker } from '../setup/install-docker.ts';
import { nodeImage } from '../setup/node-image.ts';
import { run } from '../setup/run.ts';
import { runChild } from './child.ts';
import type { Child } from './child.ts';
import { CONFIG_FILE, NOTES_IMAGE, readDemoConfig, writeDemoConfig } from './demo-config.ts';
import type { DemoConfig } from './demo-config.ts';
import { renderGuide } from './guide.ts';
import type { ServeDocument } from './guide.ts';
import { isPortFree } from './ports.ts';

/** After a second signal the gateway gets so long to remove its containers by force. */
const FORCED_STOP_MS = 10_000;

/** Something that cannot go on, said in words for the person at the terminal. */
class Refusal extends Error {}

const stopping = new AbortController();
let gateway: Child | undefined;

process.on('SIGTERM', onSignal);
process.on('SIGINT', onSignal);
// The process that started this one and passes signals on is gone: nobody could stop us any more.
process.on('disconnect', onSignal);

try {
  process.exitCode = await start();
} catch (error) {
  if (!(error instanceof Refusal) && !stopping.signal.aborted) throw error;
  if (error instanceof Refusal) console.error(error.message);
  process.exitCode = stopping.signal.aborted ? 0 : 1;
}
// The channel to the parent would keep this process alive.
process.removeAllListeners('disconnect');
if (process.connected) process.disconnect?.();

async function start(): Promise<number> {
  await using parts = new AsyncDisposableStack();
  const docker = await obtainContainers(parts);
  stopping.signal.throwIfAborted();
  if (await writeDemoConfig(CONFIG_FILE, docker)) console.log(`Wrote ${CONFIG_FILE}.`);
  const config = await readDemoConfig(CONFIG_FILE);
  if (config !== undefined) await startServers(config, docker, parts);
  stopping.signal.throwIfAborted();
  return await serve(config?.unified === true, parts);
}

/** True when containers can run. What was started for it is stopped in the end. */
async function obtainContainers(parts: AsyncDisposableStack): Promise<boolean> {
  if (process.argv.includes('--no-docker')) return false;
  const engine = await obtainDocker();
  if ('reason' in engine) {
    console.log(`There will be no server in a container: ${engine.reason}.`);
    return false;
  }
  parts.use(engine);
  return true;
}

async function startServers(config: DemoConfig, docker: boolean, parts: AsyncDisposableStack): Promise<void> {
  await refuseTakenPort(config.port, '`port` under [gateway]');
  if (config.usesNotes && docker) await buildNotes();
  else if (config.usesNotes) console.log(`${CONFIG_FILE} has a server in a container, which will stay unavailable.`);
  if (config.toolboxPort === undefined) return;
  await refuseTakenPort(config.toolboxPort, '`url` under [servers.toolbox]');
  const toolbox = runChild([path('examples/demo-servers/http.ts'), String(config.toolboxPort)], 'stderr');
  parts.defer(() => toolbox.stop());
  const listens = await toolbox.until((output) => (output.includes('listens on') ? true : undefined));
  if (listens !== true) throw new Refusal(`The demonstration server does not start: ${toolbox.output}`);
}

/** A gateway without this one server still shows what it can do, so a failure is told and no more. */
async function buildNotes(): Promise<void> {
  try {
    const built = await nodeImage('gatehouse-demo-notes', 'examples/demo-servers/stdio.ts');
    await run('docker', ['tag', built, NOTES_IMAGE]);
  } catch (error) {
    console.log(`The image of the server in a container could not be built: ${String(error)}`);
  }
}

async function refuseTakenPort(port: number, setting: string): Promise<void> {
  if (await isPortFree(port)) return;
  throw new Refusal(
    `Port ${port} of 127.0.0.1 is taken by another program, perhaps by another \`npm start\`. ` +
      `Stop that program, or change ${setting} in ${CONFIG_FILE}, and start again.`,
  );
}

/** Runs the gateway until it ends; answers with the exit status for this process. */
async function serve(unified: boolean, parts: AsyncDisposableStack): Promise<number> {
  const child = runChild([path('src/main.ts'), 'serve', '--config', CONFIG_FILE], 'stdout');
  gateway = child;
  parts.defer(() => child.stop());
  const document = await child.until(parseDocument);
  if (document === undefined) {
    // What it says when it refuses a configuration, and it says it on stdout.
    process.stderr.write(child.output);
    return stopping.signal.aborted ? 0 : child.exited;
  }
  await untilReady(document);
  if (!stopping.signal.aborted) console.log(renderGuide(document, unified, CONFIG_FILE));
  const status = await child.exited;
  return stopping.signal.aborted ? 0 : status;
}

/** Waits until the gateway has tried all of its servers, so that what is printed next works when pasted. */
async function untilReady(document: ServeDocument): Promise<void> {
  const [first] = Object.values(document.mcpServers);
  if (first === undefined) return;
  for (let attempt = 0; attempt < 100 && !stopping.signal.aborted; attempt += 1) {
    const answer = await fetch(new URL('/ready', first.url)).catch(() => undefined);
    if (answer?.ok === true) return;
    await sleep(200);
  }
}

function onSignal(): void {
  if (!stopping.signal.aborted) {
    console.log('Stopping; once more to stop at once.');
    stopping.abort();
    void gateway?.stop();
    return;
  }
  if (gateway === undefined) process.exit(1);
  void gateway.stop();
  setTimeout(() => gateway?.kill(), FORCED_STOP_MS).unref();
}

/** The configuration belongs to the working directory, programs to the repository. */
function path(fromRoot: string): string {
  return fileURLToPath(new URL(`../../${fromRoot}`, import.meta.url));
}

function parseDocument(output: string): ServeDocument | undefined {
  try {
    const document: Partial<ServeDocument> = JSON.parse(output);
    return document.mcpServers === undefined ? undefined : { mcpServers: document.mcpServers };
  } catch {
    return undefined;
  }
}

/** Builds a container image that holds Node and one bundled program, without pulling anything on Linux. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';
import { withFileLock } from './file-lock.ts';
import { run } from './run.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Bundles `entry` (a TypeScript file, path from the repository's root) into an image that runs it with Node.
 * The tag is a hash of the content: an image that exists is used as it is. Returns `name:tag`.
 */
export async function nodeImage(name: string, entry: string): Promise<string> {
  const program = await bundle(join(ROOT, entry));
  const base = await baseImage();
  const dockerfile = `FROM ${base}\nCOPY program.cjs /program.cjs\nENTRYPOINT ["node", "/program.cjs"]\n`;
  return imageFrom(name, [dockerfile, program], async (folder) => {
    await writeFile(join(folder, 'program.cjs'), program);
    return dockerfile;
  });
}

/**
 * Builds `name:<hash of content>` unless it exists. `fill` puts the files into the build's folder and answers with
 * the Dockerfile. Safe to call from several processes at once.
 */
export async function imageFrom(
  name: string,
  content: readonly string[],
  fill: (folder: string) => Promise<string>,
): Promise<string> {
  const tag = createHash('sha256').update(content.join('\0')).digest('hex').slice(0, 16);
  const image = `${name}:${tag}`;
  if (await imageExists(image)) return image;
  return withFileLock(`image-${tag}`, async () => {
    if (await imageExists(image)) return image;
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-image-'));
    try {
      await writeFile(join(folder, 'Dockerfile'), await fill(folder));
      const built = await run('docker', ['build', '--quiet', '--tag', image, folder]);
      if (built.status !== 0) throw new Error(`docker build of ${image} failed:\n${built.stderr}`);
      return image;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

async function imageExists(image: string): Promise<boolean> {
  return (await run('docker', ['image', 'inspect', '--format', '{{.Id}}', image])).status === 0;
}

/** Node alone. On Linux the project's own binary with the libraries it needs; elsewhere that binary is of no use. */
async function baseImage(): Promise<string> {
  if (process.platform !== 'linux') return `node:${process.versions.node}-slim`;
  const binary = process.execPath;
  const libraries = await sharedLibraries(binary);
  const identity = [process.version, process.arch, String((await stat(binary)).size), ...libraries];
  return imageFrom('gatehouse-node', identity, async (folder) => {
    for (const [source, target] of [[binary, '/usr/bin/node'], ...libraries.map((path) => [path, path])]) {
      if (source === undefined || target === undefined) continue;
      await mkdir(join(folder, 'root', dirname(target)), { recursive: true });
      await copyFile(source, join(folder, 'root', target), constants.COPYFILE_FICLONE);
    }
    return 'FROM scratch\nCOPY root /\nENV PATH=/usr/bin\n';
  });
}

/** Absolute paths of what the dynamic linker loads for a program, the linker itself among them. */
async function sharedLibraries(binary: string): Promise<string[]> {
  const listed = await run('ldd', [binary]);
  if (listed.status !== 0) throw new Error(`ldd ${binary} failed: ${listed.stderr}`);
  return [...listed.stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
}

async function bundle(entry: string): Promise<string> {
  const settings = { bundle: true, platform: 'node', format: 'cjs', target: 'node24', write: false } as const;
  const result = await build({
    entryPoints: [entry],
    minify: true,
    legalComments: 'none',
    logLevel: 'error',
    ...settings,
  });
  // Otherwise esbuild's service process would stay behind.
  await stop();
  const [file] = result.outputFiles;
  if (file === undefined) throw new Error(`esbuild gave nothing for ${entry}`);
  return file.text;
}

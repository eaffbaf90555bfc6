import { describe, expect, it } from 'vitest';
import { exitError, type ContainerExit } from './container-exit.ts';

const EXIT: ContainerExit = {
  server: 'github',
  image: 'example/server',
  engine: 'docker',
  status: 0,
  signal: undefined,
  lastWords: [],
  memoryLimit: 64 * 1024 * 1024,
  outOfMemory: undefined,
  imagePresent: undefined,
};

describe('exitError', () => {
  it.each<[Partial<ContainerExit>, string]>([
    [{ status: 0 }, 'ended by itself (status 0).'],
    [{ status: 3 }, 'exited with status 3.'],
    [{ status: 139 }, 'was ended by SIGSEGV (status 139).'],
    [{ status: 137 }, 'was killed (SIGKILL), by hand or because it went over its memory limit of 64 MiB.'],
    [{ status: 137, outOfMemory: false }, 'was killed (SIGKILL).'],
    [
      { status: 137, outOfMemory: true },
      'ran out of memory and was killed: it may use 64 MiB. Raise `resources.memory` if it needs more.',
    ],
    [
      { status: 125, imagePresent: false },
      'cannot be started: the image "example/server" is not on this machine and images are never pulled implicitly. Pull it with: docker pull example/server',
    ],
    [
      {
        status: 125,
        imagePresent: true,
        lastWords: ['docker: Error response from daemon: no room left.', '', "See 'docker run --help'."],
      },
      'cannot be started: no room left.',
    ],
    [{ status: 125 }, 'cannot be started, or was lost by docker (status 125); the log has its last lines.'],
    [
      { status: 127, lastWords: ['docker: Error response from daemon: exec: "/x": no such file: unknown'] },
      'cannot be started: exec: "/x": no such file: unknown.',
    ],
    [
      { status: 125, engine: 'podman', lastWords: ['Error: container-init binary not found on the host'] },
      'cannot be started: container-init binary not found on the host. Install the package "catatonit", which podman needs for `--init`.',
    ],
    [
      { status: 127 },
      'ended with status 127: its command, or one that it runs, does not exist in the image "example/server". Check `entrypoint` and the arguments.',
    ],
    [{ status: undefined, signal: 'SIGKILL' }, 'is lost: the docker command that ran it was ended by SIGKILL.'],
  ])('T-ERR-005 tells %j', (exit, sentence) => {
    const error = exitError({ ...EXIT, ...exit });
    expect(error.message).toBe(`Server "github" ${sentence}`);
    expect(error).toMatchObject({ code: 'server_unavailable', server: 'github' });
  });

  it('shows callers nothing of what the server wrote to stderr', () => {
    const lastWords = ['the token of another caller is 123'];
    for (const status of [1, 125, 126, 137]) {
      const { message, detail } = exitError({ ...EXIT, status, lastWords });
      expect(`${message} ${detail}`).not.toContain('token');
    }
  });
});

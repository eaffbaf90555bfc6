/** Puts the mounts of a container together, from the field and from the arguments, and checks each against the mount policy. */
import type { Mount } from '../config.ts';
import type { ContainerOptions } from '../container-options.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { type Scope, writtenPath } from '../dialect.ts';
import { checkMount, type MountPolicy } from '../mount-policy.ts';
import { type Path, pathKey } from '../sources/document.ts';
import { parseMount } from '../values/mount.ts';

/** Every mount that the policy allows, sources canonical. `sound` is the field `mounts` when all of it is of the right type. */
export async function containerMounts(
  scope: Scope,
  sound: readonly string[] | undefined,
  options: ContainerOptions,
  policy: MountPolicy,
  log: Diagnostics,
): Promise<readonly Mount[]> {
  const found: { mount: Mount; path: Path }[] = [];
  const written: unknown = sound ?? scope.values['mounts'];
  for (const [index, text] of Array.isArray(written) ? written.entries() : []) {
    const path = writtenPath(scope, ['mounts', index]);
    // Others than strings were reported; the sound entries around them are still worth checking.
    if (typeof text !== 'string') continue;
    const parsed = parseMount(text, log.shown(path, text));
    if (parsed.ok) found.push({ mount: parsed.mount, path });
    else log.error({ path, message: parsed.message, suggestion: parsed.suggestion });
  }
  for (const { value, index } of options.mounts)
    found.push({ mount: value, path: [...writtenPath(scope, ['args']), index] });
  const targets = new Map<string, string>();
  const accepted: Mount[] = [];
  for (const { mount, path } of found) {
    const earlier = targets.get(mount.target);
    if (earlier !== undefined && earlier !== pathKey(path)) {
      log.error({
        path,
        message: 'two mounts have the same place in the container',
        suggestion: 'Give each mount a target of its own.',
      });
      continue;
    }
    targets.set(mount.target, pathKey(path));
    const origin = log.originOf(path);
    const checked = await checkMount(mount, policy, origin === undefined ? undefined : `'${origin.written}'`);
    if (checked.ok) accepted.push(checked.mount);
    else log.error({ path, message: checked.message, suggestion: checked.suggestion });
  }
  return accepted;
}

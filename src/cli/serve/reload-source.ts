/** What a reload reads: the configuration file again, by the same flags and variables as at the start. */
import { type ConfigSource, loadConfig, type LoadResult } from '../../config/load.ts';
import type { ReloadSource } from '../../runtime/reload.ts';
import { configSecrets } from '../../telemetry/config-secrets.ts';
import type { Telemetry } from '../../telemetry/log.ts';
import { readConfigurationFile, UnreadableConfiguration } from '../read-configuration.ts';

/** Everything as it is by default: what is served comes from the store. */
export const NO_CONFIGURATION: ConfigSource = { kind: 'toml', name: '(no configuration)', text: '' };

type Load = (source: ConfigSource) => Promise<LoadResult>;

/** Loads texts by the same rules each time; an agent id that is made up for a configuration without one stays the same. */
export function createLoader(input: Omit<Parameters<typeof loadConfig>[0], 'source' | 'randomId'>, id: string): Load {
  return (source) => loadConfig({ ...input, source, randomId: () => id });
}

export function createReloadSource(path: string, load: Load, telemetry: Telemetry): ReloadSource {
  return {
    name: path,
    files: [path],
    async read() {
      try {
        const result = await load(await readConfigurationFile(path));
        if (result.ok) telemetry.addSecrets(configSecrets(result.config));
        return result;
      } catch (error) {
        if (!(error instanceof UnreadableConfiguration)) throw error;
        return { ok: false, errors: [error.diagnostic], warnings: [] };
      }
    },
  };
}

/** For a gateway that was started without a configuration: a reload reads the defaults, and what the store adds. */
export function createDefaultSource(load: Load): ReloadSource {
  return { name: NO_CONFIGURATION.name, files: [], read: () => load(NO_CONFIGURATION) };
}

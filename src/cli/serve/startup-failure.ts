/** The error payload of a start that failed (specification 1.17, section 9.1): what stdout gets in place of the configuration. */
import type { StartupFailure } from '../../runtime/start-servers.ts';

/** "Server unavailable" of the specification's section 9. */
const SERVER_UNAVAILABLE = -32001;

/** The specification's error object; `data.server` and `data.detail` are those of the first server. Names of variables, never values. */
export function startupFailurePayload(failure: StartupFailure): object {
  const servers = failure.servers.map(({ name, imageOrUrl, detail, environmentNames, lastWords }) => ({
    server: name,
    imageOrUrl,
    detail,
    environment: environmentNames,
    output: lastWords,
  }));
  return {
    error: {
      code: SERVER_UNAVAILABLE,
      message: failure.message,
      data: { server: servers[0]?.server, detail: servers[0]?.detail, servers },
    },
  };
}

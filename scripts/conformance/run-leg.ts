/** Starts the servers and the gateway of one leg and runs the official suite through them. */
import { startConformanceServer } from '../../test/fixtures/servers/conformance/http.ts';
import { startNeighbour } from '../../test/fixtures/servers/conformance/neighbour.ts';
import { startGateway } from '../../test/rig/gateway.ts';
import { conformanceImage } from '../../test/rig/images.ts';
import { startHttpFixture } from '../../test/rig/servers.ts';
import { buildOf, revisionOf, type Era, type Leg } from './legs.ts';
import { testServer, type SuiteRun } from './suite.ts';

/** The suite at a server without a gateway in between. */
export async function runDirect(era: Era, signal?: AbortSignal): Promise<SuiteRun> {
  await using server = await startConformanceServer(era);
  // Awaited here: the server ends with this function.
  return await testServer(revisionOf(era), server.url, signal === undefined ? {} : { signal });
}

export async function runLeg(leg: Leg, signal?: AbortSignal): Promise<SuiteRun> {
  await using stack = new AsyncDisposableStack();
  const subject = await subjectOf(leg, stack);
  const unified = leg.endpoint === 'unified';
  // Three servers, of both eras, none of which knows the names of another.
  const others = unified
    ? {
        first: { type: 'http', url: stack.use(await startHttpFixture()).url },
        last: { type: 'http', url: stack.use(await startNeighbour()).url },
      }
    : {};
  const gateway = stack.use(
    await startGateway({
      config: {
        mcpServers: { subject, ...others },
        ...(unified ? { gateway: { naming: 'plain' } } : {}),
      },
      args: unified ? ['--unified'] : [],
    }),
  );
  const run = await testServer(revisionOf(leg.client), gateway.url(unified ? undefined : 'subject'), {
    authorization: gateway.authorization,
    ...(signal === undefined ? {} : { signal }),
  });
  return { checks: run.checks, output: `${run.output}\n--- gateway\n${gateway.stderr}` };
}

async function subjectOf(leg: Leg, stack: AsyncDisposableStack): Promise<Readonly<Record<string, unknown>>> {
  const build = buildOf(leg);
  if (leg.wire === 'container') return { container: await conformanceImage(), entrypointArgs: [build] };
  return { type: 'http', url: stack.use(await startConformanceServer(build)).url };
}

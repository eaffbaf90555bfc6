/**
 * The official conformance suite through a real gateway: all legs of `npm run conformance`, which prints the table.
 * Scenarios that prove a requirement are named with it.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { runClientSet, type ClientResult } from '../../scripts/conformance/client-set.ts';
import { LEGS, type Leg } from '../../scripts/conformance/legs.ts';
import { runAll, strayExpectations, type LegResult } from '../../scripts/conformance/run-all.ts';
import { dockerMissing } from '../rig/docker.ts';

/** Requirement ids and the scenario of the suite that proves them where both sides are modern. */
const MODERN_SCENARIOS: readonly (readonly [ids: string, scenario: string])[] = [
  ['MCP-HTTP-001', 'dns-rebinding-protection'],
  ['MCP-HTTP-003 MCP-HTTP-004', 'http-header-validation'],
  ['MCP-HTTP-005 MCP-HTTP-006', 'http-custom-header-server-validation'],
  [
    'MCP-HTTP-007 MCP-HTTP-008 MCP-HTTP-009 MCP-HTTP-010 MCP-SUB-001 MCP-SUB-002 MCP-SUB-003 MCP-IDS-004 MCP-AGG-007',
    'server-stateless',
  ],
  ['MCP-AGG-002', 'caching'],
  ['MCP-MRTR-001', 'input-required-result-request-state'],
  ['MCP-MRTR-001', 'input-required-result-multi-round'],
  ['MCP-MRTR-004', 'input-required-result-unsupported-methods'],
  ['MCP-MRTR-005', 'input-required-result-result-type'],
  ['MCP-MRTR-006 MCP-AGG-006', 'input-required-result-capability-check'],
  ['MCP-IDS-003', 'tools-call-with-progress'],
  ['MCP-TSK-001 MCP-HTTP-012', 'tasks-request-headers'],
  ['MCP-TSK-002', 'tasks-dispatch-and-envelope'],
  ['MCP-TSK-003', 'tasks-capability-negotiation'],
];

const LEGACY_SCENARIOS: typeof MODERN_SCENARIOS = [
  ['MCP-SES-001 MCP-SES-003', 'server-session-lifecycle'],
  ['MCP-SES-009', 'server-sse-polling'],
  ['MCP-SES-006', 'server-sse-multiple-streams'],
  ['MCP-HTTP-002', 'server-initialize'],
];

const CLIENT_SCENARIOS: typeof MODERN_SCENARIOS = [
  ['MCP-HTTP-011 MCP-HTTP-013', 'http-custom-headers'],
  ['MCP-HTTP-012', 'http-standard-headers'],
  ['MCP-HTTP-014', 'http-invalid-tool-headers'],
  ['MCP-MRTR-001', 'sep-2322-client-request-state'],
  ['MCP-ERA-005', 'request-metadata'],
];

describe('as a server', () => {
  const legs = LEGS.filter(({ wire }) => wire === 'http' || !dockerMissing());
  let results: readonly LegResult[];
  beforeAll(async () => {
    const first = await runAll(legs, { parallel: 2 });
    // The suite gives some answers one second, whatever the machine does besides: what complains is asked once more, alone.
    const complains = new Set(first.filter(({ verdict }) => verdict.complaints.length > 0).map(({ name }) => name));
    const second = await runAll(
      legs.filter(({ name }) => complains.has(name)),
      { parallel: 1 },
    );
    results = [...first.filter(({ name }) => !complains.has(name)), ...second];
  }, 600_000);

  const resultOf = ({ name }: Leg): LegResult | undefined => results.find((result) => result.name === name);

  for (const leg of LEGS) {
    const ids = idsOf(leg);
    it.skipIf(leg.wire === 'container' && dockerMissing())(`${ids}${leg.name}`, () => {
      const result = resultOf(leg);
      expect(result?.verdict.complaints, result?.output.slice(-4_000)).toEqual([]);
      expect(result?.verdict.checks.passed).toBeGreaterThan(50);
    });
  }

  for (const [era, scenarios] of [
    ['modern', MODERN_SCENARIOS],
    ['legacy', LEGACY_SCENARIOS],
  ] as const) {
    for (const [ids, scenario] of scenarios) {
      it(`${ids} ${scenario} (${era})`, () => {
        const sameEra = legs.filter(({ client, server }) => client === era && server === era);
        for (const leg of sameEra) {
          const checks = resultOf(leg)?.checks.filter((check) => check.scenario === scenario) ?? [];
          expect(checks.length, leg.name).toBeGreaterThan(0);
          expect(
            checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING'),
            leg.name,
          ).toEqual([]);
        }
      });
    }
  }

  it('every file of expected failures belongs to a leg between the eras', async () => {
    expect(await strayExpectations(LEGS.filter(({ client, server }) => client !== server))).toEqual([]);
  });
});

describe('as a client', () => {
  let results: readonly ClientResult[];
  beforeAll(async () => {
    results = await runClientSet({ parallel: 2 });
  }, 200_000);

  it('every scenario that applies passes, in both revisions', () => {
    const failed = results.filter(({ outcome }) => outcome === 'failed');
    expect(failed.map(({ scenario, reason, output }) => `${scenario}: ${reason ?? ''}\n${output}`)).toEqual([]);
    expect(results.filter(({ outcome }) => outcome === 'passed').length).toBeGreaterThan(10);
  });

  for (const [ids, scenario] of CLIENT_SCENARIOS) {
    it(`${ids} ${scenario}`, () => {
      const found = results.filter((result) => result.scenario === scenario);
      expect(found.length).toBeGreaterThan(0);
      for (const result of found) expect(result.outcome, result.reason).toBe('passed');
    });
  }
});

/** What a leg between the eras proves. */
function idsOf({ client, server }: Leg): string {
  if (client === server) return '';
  return client === 'legacy' ? 'MCP-ERA-001 MCP-ERA-004 ' : 'MCP-ERA-002 MCP-ERA-003 ';
}

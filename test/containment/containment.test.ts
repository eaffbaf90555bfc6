/** What `npm run` of measure.ts shows in full, in a size for every run of the tests; nothing here depends on elapsed time. */
import { describe, expect, it } from 'vitest';
import { dockerMissing } from '../rig/docker.ts';
import { NOTHING } from '../rig/leftovers.ts';
import { killStorm } from './kill-storm.ts';
import { sessionChurn, startUp } from './starts.ts';

describe.skipIf(dockerMissing())('containment', () => {
  it(
    'T-ISO-005 a server that is killed again and again breaks no call of another, and comes back each time',
    { timeout: 300_000 },
    async () => {
      const storm = await killStorm({ calls: 40, servers: 3, kills: 3, everyMs: 1500 });
      expect(storm.failed).toBe(0);
      expect(storm.calls).toBeGreaterThan(0);
      expect(storm.kills).toBeGreaterThan(0);
      expect(storm.backAfterMs).toHaveLength(storm.kills);
      expect(storm.left).toEqual(NOTHING);
    },
  );

  it('starts several servers together and leaves nothing', { timeout: 300_000 }, async () => {
    expect((await startUp(4, 1)).left).toEqual(NOTHING);
  });

  it(
    'T-LIFE-004 leaves nothing of sessions with a container of their own, whether their clients stayed or vanished',
    { timeout: 300_000 },
    async () => {
      const churn = await sessionChurn(12, 3);
      expect(churn).toMatchObject({ sessions: 12, abandoned: 4, answered: 8 });
      expect(churn.left).toEqual(NOTHING);
    },
  );
});

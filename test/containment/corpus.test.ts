/** Every accepted command line and entry of the corpus, started in Docker, and what Docker says of the container. */
import { describe, expect, it } from 'vitest';
import { dockerMissing } from '../rig/docker.ts';
import { acceptedCorpus, corpusRoot, differences, distinct, launchAll } from './corpus.ts';

describe.skipIf(dockerMissing())('everything that is accepted', () => {
  it(
    'T-ISO-001 T-ISO-002 starts, answers, and has every limit and what it asked for',
    { timeout: 300_000 },
    async () => {
      await using root = await corpusRoot();
      const entries = distinct(await acceptedCorpus(root.path));
      const { launched, left } = await launchAll(entries, 6);
      expect(launched).toHaveLength(entries.length);
      expect(launched.flatMap(differences)).toEqual([]);
      expect(left).toBe(0);
    },
  );
});

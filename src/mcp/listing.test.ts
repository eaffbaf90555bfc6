import { describe, expect, it } from 'vitest';
import { listingOf, listingText, readPage, renameItem, type ListingRow } from './listing.ts';

const tools = listingOf('tools/list') as ListingRow;

describe('readPage', () => {
  it('keeps items and frame as the server wrote them', () => {
    const page = readPage('{"tools":[{"name":"a","x":1.0},{"name":"b"}],"nextCursor":"","_meta":{"v":1}}', tools);
    expect(page).toEqual({
      frame: '{"tools":[],"_meta":{"v":1}}',
      items: [
        { key: 'a', text: '{"name":"a","x":1.0}' },
        { key: 'b', text: '{"name":"b"}' },
      ],
      nextCursor: '',
    });
  });

  it('refuses what is not a listing of that kind', () => {
    expect(readPage('{"prompts":[]}', tools)).toBeUndefined();
    expect(readPage('{"tools":{}}', tools)).toBeUndefined();
    expect(readPage('{"tools":[{"title":"no name"}]}', tools)).toBeUndefined();
  });
});

describe('listingText and renameItem', () => {
  it('put the items back into the frame, under other names', () => {
    const item = renameItem('{"title":"T","name":"a"}', tools, 's___a');
    expect(listingText('{"tools":[],"_meta":{}}', tools, [item])).toBe(
      '{"tools":[{"title":"T","name":"s___a"}],"_meta":{}}',
    );
  });
});

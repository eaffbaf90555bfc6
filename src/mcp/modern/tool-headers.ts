/** What the tools of a listing want in headers, worked out once for each of them. */
import type { ListingItem } from '../listing.ts';
import type { Json } from '../message.ts';
import { scanInputSchema, type ParamHeader, type SchemaScan } from './param-headers.ts';

const SCANS = new WeakMap<ListingItem, SchemaScan>();

/** The declarations in the input schema of a tool, or what is wrong with them. */
export function scanTool(item: ListingItem): SchemaScan {
  let scan = SCANS.get(item);
  if (scan === undefined) {
    const { inputSchema } = JSON.parse(item.text) as { readonly inputSchema?: Json };
    SCANS.set(item, (scan = scanInputSchema(inputSchema)));
  }
  return scan;
}

/** The arguments that a tool wants in headers; none when its declarations are wrong. */
export function declaredHeaders(item: ListingItem | undefined): readonly ParamHeader[] {
  const scan = item && scanTool(item);
  return scan?.valid === true ? scan.headers : [];
}

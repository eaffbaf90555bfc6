/** What the tools of a listing want in headers, worked out once for each of them. */
import type { Listing, ListingItem } from '../listing.ts';
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

const BY_TOOL = new WeakMap<Listing, ReadonlyMap<string, readonly ParamHeader[]>>();
const NONE: readonly ParamHeader[] = [];

/** The same for a tool of a listing by its name; none for one that is not in it. */
export function declaredIn(listing: Listing, tool: string): readonly ParamHeader[] {
  let declared = BY_TOOL.get(listing);
  if (declared === undefined) BY_TOOL.set(listing, (declared = allDeclared(listing)));
  return declared.get(tool) ?? NONE;
}

/** Of tools that declare any: few do. The first of two with one name counts. */
function allDeclared({ items }: Listing): ReadonlyMap<string, readonly ParamHeader[]> {
  const declared = new Map<string, readonly ParamHeader[]>();
  const seen = new Set<string>();
  for (const item of items) {
    const headers = seen.has(item.key) ? NONE : declaredHeaders(item);
    seen.add(item.key);
    if (headers.length > 0) declared.set(item.key, headers);
  }
  return declared;
}

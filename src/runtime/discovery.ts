/** What a server offers: everything that it lists, to the last page. */
import { LISTINGS, type Listing } from '../mcp/listing.ts';

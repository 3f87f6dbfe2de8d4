// The claim code as a person types it. No DOM here.

/** Upper case, in groups of four, whatever was pasted around it; the box forgives dashes and case as well. */
export function tidyCode(text: string): string {
  const bare = text.replace(/^\s*claim-code\s+/i, '').toUpperCase().replace(/[^A-Z0-9]/g, '');
  return bare.match(/.{1,4}/g)?.join('-') ?? '';
}

// node sign.js SIGNING_CONFIG TOKEN_FILE BUNDLE blob|statement FILE
// Signs with @sigstore/sign: FILE itself, or FILE as the payload of an in-toto DSSE envelope.
const { readFileSync, writeFileSync } = require('node:fs');
const { bundleToJSON } = require('@sigstore/bundle');
const { DSSEBundleBuilder, FulcioSigner, MessageSignatureBundleBuilder, RekorWitness, TSAWitness } =
  require('@sigstore/sign');

async function main() {
  const [configFile, tokenFile, bundleFile, kind, file] = process.argv.slice(2);
  const config = JSON.parse(readFileSync(configFile, 'utf8'));
  const [ca, log, tsa] = [config.caUrls[0], config.rekorTlogUrls[0], config.tsaUrls[0]];
  const identityProvider = { getToken: async () => readFileSync(tokenFile, 'utf8').trim() };
  const retry = 0;
  const signer = new FulcioSigner({ fulcioBaseURL: ca.url, identityProvider, retry });
  const witnesses = [
    new RekorWitness({
      rekorBaseURL: log.url,
      majorApiVersion: log.majorApiVersion,
      entryType: kind === 'blob' ? 'hashedrekord' : 'dsse',
      retry,
    }),
    // The library appends the path that signing configs have in their URL already.
    new TSAWitness({ tsaBaseURL: tsa.url.replace(/\/api\/v1\/timestamp$/, ''), retry }),
  ];
  const data = readFileSync(file);
  const bundle = kind === 'blob'
    ? await new MessageSignatureBundleBuilder({ signer, witnesses }).create({ data })
    : await new DSSEBundleBuilder({ signer, witnesses }).create({ data, type: 'application/vnd.in-toto+json' });
  writeFileSync(bundleFile, JSON.stringify(bundleToJSON(bundle)));
}

main().catch((error) => {
  console.error(`${error.code ?? error.name}: ${error.message}: ${error.cause?.message ?? ''}`);
  process.exitCode = 1;
});

// node verify.js BUNDLE TRUSTED_ROOT SUBJECT ISSUER FILE
// Exits with 1 when @sigstore/verify refuses. For a statement it sees to the signature only, so that the
// caller of the library has to compare subject and file, as is done here.
const { createHash } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { bundleFromJSON } = require('@sigstore/bundle');
const { TrustedRoot } = require('@sigstore/protobuf-specs');
const { toSignedEntity, toTrustMaterial, Verifier } = require('@sigstore/verify');

const [bundleFile, rootFile, subject, issuer, file] = process.argv.slice(2);
const json = (path) => JSON.parse(readFileSync(path, 'utf8'));
const artifact = readFileSync(file);

try {
  const bundle = bundleFromJSON(json(bundleFile));
  const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(json(rootFile))));
  // The library takes the name for a regular expression and does not anchor it.
  const subjectAlternativeName = `^${subject.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`;
  verifier.verify(toSignedEntity(bundle, artifact), { subjectAlternativeName, extensions: { issuer } });
  if (bundle.content.$case === 'dsseEnvelope') {
    const statement = JSON.parse(bundle.content.dsseEnvelope.payload.toString());
    const digest = createHash('sha256').update(artifact).digest('hex');
    if (!statement.subject.some((one) => one.digest.sha256 === digest)) throw new Error('another subject');
  }
} catch (error) {
  console.error(`${error.code ?? error.name}: ${error.message}`);
  process.exitCode = 1;
}

// node attach.js HOST/REPOSITORY DIGEST BUNDLE PREDICATE_TYPE USER PASSWORD
// Attaches a bundle to an image with @sigstore/oci.
const { readFileSync } = require('node:fs');
const { attachArtifactToImage } = require('@sigstore/oci');

const [imageName, imageDigest, bundleFile, predicateType, username, password] = process.argv.slice(2);
const artifact = readFileSync(bundleFile);

attachArtifactToImage({
  imageName,
  imageDigest,
  credentials: { username, password },
  mediaType: JSON.parse(artifact).mediaType,
  artifact,
  annotations: { 'dev.sigstore.bundle.content': 'dsse-envelope', 'dev.sigstore.bundle.predicateType': predicateType },
  fetchOpts: { retry: 0 },
}).catch((error) => {
  console.error(`${error.name}: ${error.message}: ${error.cause?.message ?? ''}`);
  process.exitCode = 1;
});

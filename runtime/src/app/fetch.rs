//! Where packages come from: a file, or an `https` address through the one door to the network.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use openpact_egress::{self as egress, Door};
use openpact_lifecycle::Package;
use openpact_model::id::ComponentName;
use openpact_model::principal::Principal;
use openpact_packages::MAX_PACKAGE_BYTES;
use url::Url;

use super::App;
use super::lifecycle::failure;
use crate::exit::{Code, Failure, chain};

/// The longest signature file in bytes.
const MAX_SIGNATURE: usize = 64 * 1024;

/// How long one file may take.
const PATIENCE: Duration = Duration::from_mins(5);

impl App {
    /// Reads a package with its signature. Without `from` it comes from where the last one of `update` came from.
    pub(super) async fn fetch(
        &self,
        from: Option<&str>,
        private: &[String],
        update: Option<&ComponentName>,
    ) -> Result<Package, Failure> {
        let source = match (from, update) {
            (Some(from), _) => from.to_owned(),
            (None, Some(name)) => self.last_source(name).await?,
            (None, None) => return Err(Failure::new(Code::Usage, "it is not said where the package is")),
        };
        if source.contains("://") {
            return self.download(source, private).await;
        }
        let reading = tokio::task::spawn_blocking(move || read_files(&source));
        reading
            .await
            .map_err(|_| Failure::new(Code::Failed, "the program broke while it read the package"))?
    }

    async fn last_source(&self, name: &ComponentName) -> Result<String, Failure> {
        let row = self.catalog.find(name).await.map_err(failure)?;
        let last = row.versions.last().map(|version| version.source.clone());
        last.ok_or_else(|| Failure::new(Code::Failed, format!("'{name}' was never installed from anywhere")))
    }

    async fn download(&self, address: String, private: &[String]) -> Result<Package, Failure> {
        if !address.starts_with("https://") {
            let message =
                format!("'{address}' is neither a file nor an https address; packages come over https");
            return Err(Failure::new(Code::Usage, message));
        }
        let url = Url::parse(&address)
            .map_err(|error| Failure::new(Code::Usage, format!("'{address}' is no address: {error}")))?;
        let door = self.download_door(&url, private).await?;
        // What stands behind the path may be a password of its own, so it is written down nowhere.
        let bare = address.split(['?', '#']).next().unwrap_or(&address).to_owned();
        let missing = || {
            Failure::new(Code::Failed, format!("{address} cannot be had: the server has no such file (404)"))
        };
        let bytes = get(&door, &address, MAX_PACKAGE_BYTES).await?.ok_or_else(missing)?;
        let signature = get(&door, &format!("{bare}.minisig"), MAX_SIGNATURE).await?.unwrap_or_default();
        Ok(Package { bytes, signature, source: bare })
    }

    /// A door for what the admin asked for, and only for that long. An address may send the request elsewhere, since the
    /// bytes are believed for their signature alone; but private addresses are for the host that the admin named.
    async fn download_door(&self, url: &Url, private: &[String]) -> Result<Arc<Door>, Failure> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let bounds = format!("response-max={MAX_PACKAGE_BYTES} timeout={}", PATIENCE.as_secs());
        let ranges =
            if private.is_empty() { String::new() } else { format!(" private={}", private.join(",")) };
        let rules =
            [format!("GET https://{host}{port}/** {bounds}{ranges}"), format!("GET https://*/** {bounds}")];
        let grants = rules.iter().map(|rule| {
            let rule = rule.parse().map_err(|error| {
                let why = format!("'{url}' with --private {}: {}", private.join(","), chain(&error));
                Failure::new(Code::Usage, why)
            })?;
            Ok(egress::Grant { rule, placement: None, secret: None })
        });
        Ok(self.parts().await?.egress.door(Principal::Runtime, grants.collect::<Result<_, Failure>>()?))
    }
}

/// One file; nothing where the server has none.
async fn get(door: &Door, address: &str, most: usize) -> Result<Option<Vec<u8>>, Failure> {
    let failed = |why: String| Failure::new(Code::Failed, format!("{address} cannot be had: {why}"));
    let request =
        egress::request("GET", address, &[], egress::empty()).map_err(|error| failed(chain(&error)))?;
    let options = egress::Options { total: Some(PATIENCE), ..egress::Options::default() };
    let none = egress::credential::References::none();
    let answer = door.send(request, options, &none).await.map_err(|error| failed(denied(&error)))?;
    if answer.status().as_u16() == 404 {
        return Ok(None);
    }
    if !answer.status().is_success() {
        return Err(failed(format!("the server answers {}", answer.status())));
    }
    let body = Limited::new(answer.into_body(), most).collect().await;
    Ok(Some(body.map_err(|error| failed(error.to_string()))?.to_bytes().to_vec()))
}

fn denied(error: &egress::Error) -> String {
    let why = chain(error);
    match error {
        egress::Error::Prohibited { .. } => format!("{why}; if you mean it, name its range with --private"),
        _ => why,
    }
}

fn read_files(path: &str) -> Result<Package, Failure> {
    let bytes = read(Path::new(path), MAX_PACKAGE_BYTES, || format!("the package {path} cannot be read"))?;
    let beside = format!("{path}.minisig");
    // One that is not there is for whoever judges the package to refuse, and to write down.
    let signature = if Path::new(&beside).symlink_metadata().is_ok() {
        read(Path::new(&beside), MAX_SIGNATURE, || format!("the signature {beside} cannot be read"))?
    } else {
        Vec::new()
    };
    Ok(Package { bytes, signature, source: path.to_owned() })
}

/// One byte more than is allowed at most: whoever judges the size then sees that it is too much.
fn read(path: &Path, most: usize, what: impl FnOnce() -> String) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let read = std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(Failure::doing(what()))?;
    Ok(bytes)
}

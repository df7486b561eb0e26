//! Which folders a component sees: what its manifest asks for and the configuration (or a default grant) gives.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component as Part, Path, PathBuf};

use openpact_host::{Access, FileRule, Mount, Scope};
use openpact_packages::manifest;
use openpact_store::DataDirectory;

use crate::config::components;

/// The mounts of a component.
///
/// # Errors
/// One sentence, when a folder cannot be given.
pub(super) fn mounts(
    directory: &DataDirectory,
    requests: &[manifest::FileRequest],
    stated: &components::Component,
) -> Result<Vec<Mount>, String> {
    let unasked = stated.mounts.keys().find(|name| requests.iter().all(|request| request.mount != **name));
    if let Some(name) = unasked {
        return Err(format!("it is given the folder '{name}', which its manifest does not ask for"));
    }
    let given = requests.iter().filter_map(|request| Some((request, stated.mounts.get(&request.mount)?)));
    given.map(|(request, mount)| build(directory, request, mount)).collect()
}

fn build(
    directory: &DataDirectory,
    request: &manifest::FileRequest,
    stated: &components::Mount,
) -> Result<Mount, String> {
    let name = &request.mount;
    let key = |key: &str| format!("the folder '{name}' is given without 'mounts.{name}.{key}'");
    let path = stated.path.as_deref().ok_or_else(|| key("path"))?;
    let quota = stated.quota.ok_or_else(|| key("quota"))?;
    let writable =
        stated.access == Some(components::Access::ReadWrite) && request.access == Access::ReadWrite;
    let scope =
        stated.files.as_ref().map_or(Scope::Tree, |files| Scope::Files(files.iter().map(rule).collect()));
    Ok(Mount {
        name: name.clone(),
        path: folder(directory, path)
            .map_err(|why| format!("the folder '{name}' ({}): {why}", path.display()))?,
        access: if writable { Access::ReadWrite } else { Access::Read },
        quota: quota.0,
        scope,
    })
}

fn rule(file: &components::File) -> FileRule {
    FileRule { name: file.name.clone(), read: file.read, write: file.write }
}

/// The folder itself, with every link followed, so that what is judged is what is opened.
fn folder(directory: &DataDirectory, path: &Path) -> Result<PathBuf, String> {
    let ai_data = directory.ai_data();
    if path.is_relative() {
        if path.components().any(|part| matches!(part, Part::ParentDir)) {
            return Err("a relative path must not hold '..'".to_owned());
        }
        let made = DirBuilder::new().recursive(true).mode(0o750).create(ai_data.join(path));
        made.map_err(|error| format!("it cannot be made: {error}"))?;
    }
    let real = ai_data.join(path).canonicalize().map_err(|error| missing(&error))?;
    let within = |folder: PathBuf| folder.canonicalize().map_err(|error| missing(&error));
    if path.is_relative() && !real.starts_with(within(ai_data)?) {
        return Err("it leads out of 'ai-data' by a symbolic link".to_owned());
    }
    let secure = within(directory.secure())?;
    if real.starts_with(&secure) || secure.starts_with(&real) {
        return Err("it holds, or lies in, the folder 'secure', which no component may see".to_owned());
    }
    if real.is_dir() { Ok(real) } else { Err("it is not a folder".to_owned()) }
}

fn missing(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist; make it, or change the path".to_owned(),
        _ => error.to_string(),
    }
}

/// A mount as a sentence.
pub(super) fn sentence(mount: &Mount) -> String {
    let access = match mount.access {
        Access::Read => "read",
        Access::ReadWrite => "read and write",
    };
    let quota = crate::config::unit::Size(mount.quota);
    let path = mount.path.display();
    let scope = match &mount.scope {
        Scope::Tree => "everything in".to_owned(),
        Scope::Files(rules) => {
            let files =
                rules.iter().map(|rule| format!("{} (read {}, write {})", rule.name, rule.read, rule.write));
            format!("only {} in", files.collect::<Vec<_>>().join(", "))
        }
    };
    format!("/{}: {access}, up to {quota}, {scope} {path}", mount.name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use crate::config::unit::Size;

    use super::*;

    fn request() -> Vec<manifest::FileRequest> {
        let reason = String::new();
        vec![manifest::FileRequest { mount: "files".to_owned(), access: Access::ReadWrite, reason }]
    }

    fn stated(path: &Path, access: components::Access) -> components::Component {
        let mount = components::Mount {
            path: Some(path.to_owned()),
            access: Some(access),
            quota: Some(Size::mib(1)),
            files: None,
        };
        components::Component {
            mounts: [("files".to_owned(), mount)].into(),
            ..components::Component::default()
        }
    }

    fn check(directory: &DataDirectory, path: &Path) -> Result<Mount, String> {
        let stated = stated(path, components::Access::ReadWrite);
        mounts(directory, &request(), &stated).map(|mut mounts| mounts.remove(0))
    }

    #[test]
    fn a_folder_is_given_inside_ai_data_or_by_its_absolute_path() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let directory = DataDirectory::acquire(root.path()).unwrap();
        let inside = check(&directory, Path::new("projects/one")).unwrap();
        assert_eq!(inside.path, directory.ai_data().join("projects/one").canonicalize().unwrap());
        assert_eq!(
            check(&directory, elsewhere.path()).unwrap().path,
            elsewhere.path().canonicalize().unwrap()
        );
    }

    #[test]
    fn no_component_sees_the_secure_folder() {
        let root = tempfile::tempdir().unwrap();
        let directory = DataDirectory::acquire(root.path()).unwrap();
        let link = directory.ai_data().join("workspace/link");
        symlink(directory.secure(), &link).unwrap();
        for path in [
            Path::new("../secure"),
            &directory.secure(),
            &directory.secure().join("keys"),
            root.path(),
            &link,
        ] {
            let why = check(&directory, path).unwrap_err();
            assert!(why.contains("secure") || why.contains("'..'"), "{}: {why}", path.display());
        }
        let why = check(&directory, Path::new("workspace/link")).unwrap_err();
        assert!(why.contains("symbolic link"), "{why}");
        let why = check(&directory, Path::new("/nowhere/at/all")).unwrap_err();
        assert!(why.contains("does not exist"), "{why}");
    }

    #[test]
    fn nothing_is_given_beyond_what_is_asked_for_and_stated() {
        let root = tempfile::tempdir().unwrap();
        let directory = DataDirectory::acquire(root.path()).unwrap();
        let read = stated(Path::new("workspace"), components::Access::Read);
        assert_eq!(mounts(&directory, &request(), &read).unwrap()[0].access, Access::Read);
        let mut asks_to_read = request();
        asks_to_read[0].access = Access::Read;
        let write = stated(Path::new("workspace"), components::Access::ReadWrite);
        assert_eq!(mounts(&directory, &asks_to_read, &write).unwrap()[0].access, Access::Read);
        assert!(mounts(&directory, &request(), &components::Component::default()).unwrap().is_empty());
        assert!(mounts(&directory, &[], &write).unwrap_err().contains("does not ask for"));
    }
}

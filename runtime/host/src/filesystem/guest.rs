//! `wasi:filesystem/preopens` and `wasi:filesystem/types` as a guest calls them. Standard: WASI 0.2.
//!
//! The tables hold our own handles under the numbers that the interfaces' resources have.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Filesize, Host,
    HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::handle::{File, Folder, Handle, Result as FileResult};
use super::listing::Listing;
use super::open::{Wish, open};
use super::operation;
use super::stream::{CHUNK, Reader, Writer};
use crate::deployment::Access;
use crate::failure::HostFault;
use crate::state::State;

type Descriptor = Resource<types::Descriptor>;
type Entries = Resource<types::DirectoryEntryStream>;

/// Does `work` on a thread for blocking work.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> FileResult<T> + Send + 'static) -> FsResult<T> {
    match spawn_blocking(work).await {
        Ok(result) => result.map_err(FsError::from),
        Err(error) => Err(FsError::trap(HostFault(format!("an operation on files did not end: {error}")))),
    }
}

impl State {
    fn handle(&self, descriptor: &Descriptor) -> FsResult<Handle> {
        let handle = self.table.get(&Resource::<Handle>::new_borrow(descriptor.rep()));
        handle.cloned().map_err(FsError::trap)
    }

    fn folder(&self, descriptor: &Descriptor) -> FsResult<Folder> {
        Ok(self.handle(descriptor)?.folder()?.clone())
    }

    fn file(&self, descriptor: &Descriptor) -> FsResult<Arc<File>> {
        Ok(Arc::clone(self.handle(descriptor)?.file()?))
    }

    fn keep(&mut self, handle: Handle) -> FsResult<Descriptor> {
        let kept = self.table.push(handle).map_err(FsError::trap)?;
        Ok(Resource::new_own(kept.rep()))
    }
}

impl preopens::Host for State {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Descriptor, String)>> {
        let roots = self.files.roots();
        let roots = roots.map_err(|error| {
            HostFault(format!("the folder of a mount is gone or cannot be used: {error}"))
        })?;
        let mut kept = Vec::with_capacity(roots.len());
        for (root, name) in roots {
            let handle = self.table.push(Handle::Folder(root))?;
            kept.push((Resource::new_own(handle.rep()), name));
        }
        Ok(kept)
    }
}

impl Host for State {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(self.table.get(&error)?.downcast_ref::<ErrorCode>().copied())
    }
}

impl HostDescriptor for State {
    fn read_via_stream(&mut self, file: Descriptor, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let file = self.file(&file)?;
        if !file.readable {
            return Err(ErrorCode::BadDescriptor.into());
        }
        let stream: DynInputStream = Box::new(Reader::new(file, offset));
        self.table.push(stream).map_err(FsError::trap)
    }

    fn write_via_stream(
        &mut self,
        file: Descriptor,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.writer(&file, Some(offset))
    }

    fn append_via_stream(&mut self, file: Descriptor) -> FsResult<Resource<DynOutputStream>> {
        self.writer(&file, None)
    }

    async fn advise(
        &mut self,
        file: Descriptor,
        _offset: Filesize,
        _length: Filesize,
        _advice: Advice,
    ) -> FsResult<()> {
        // Advice may be ignored.
        self.file(&file)?;
        Ok(())
    }

    async fn sync_data(&mut self, descriptor: Descriptor) -> FsResult<()> {
        let handle = self.handle(&descriptor)?;
        blocking(move || rustix::fs::fdatasync(handle.fd()).map_err(super::handle::code)).await
    }

    async fn get_flags(&mut self, descriptor: Descriptor) -> FsResult<DescriptorFlags> {
        Ok(match self.handle(&descriptor)? {
            Handle::File(file) => match (file.readable, file.writable) {
                (true, true) => DescriptorFlags::READ | DescriptorFlags::WRITE,
                (true, false) => DescriptorFlags::READ,
                (false, true) => DescriptorFlags::WRITE,
                (false, false) => DescriptorFlags::empty(),
            },
            Handle::Folder(folder) if folder.view().mount.access == Access::ReadWrite => {
                DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY
            }
            Handle::Folder(_) => DescriptorFlags::READ,
        })
    }

    async fn get_type(&mut self, descriptor: Descriptor) -> FsResult<DescriptorType> {
        Ok(match self.handle(&descriptor)? {
            Handle::File(_) => DescriptorType::RegularFile,
            Handle::Folder(_) => DescriptorType::Directory,
        })
    }

    async fn set_size(&mut self, file: Descriptor, size: Filesize) -> FsResult<()> {
        let file = self.file(&file)?;
        blocking(move || file.set_size(size)).await
    }

    async fn set_times(
        &mut self,
        descriptor: Descriptor,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> FsResult<()> {
        let handle = self.handle(&descriptor)?;
        blocking(move || operation::set_times(&handle, access, modification)).await
    }

    async fn read(
        &mut self,
        file: Descriptor,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        let file = self.file(&file)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(CHUNK);
        blocking(move || {
            let mut buffer = vec![0; length];
            let read = file.read(&mut buffer, offset)?;
            buffer.truncate(read);
            Ok((buffer, read == 0 && length > 0))
        })
        .await
    }

    async fn write(&mut self, file: Descriptor, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let file = self.file(&file)?;
        blocking(move || file.write(&bytes, Some(offset)).map(|()| bytes.len() as u64)).await
    }

    async fn read_directory(&mut self, folder: Descriptor) -> FsResult<Entries> {
        let folder = self.folder(&folder)?;
        let listing = blocking(move || Listing::new(&folder)).await?;
        let kept = self.table.push(listing).map_err(FsError::trap)?;
        Ok(Resource::new_own(kept.rep()))
    }

    async fn sync(&mut self, descriptor: Descriptor) -> FsResult<()> {
        let handle = self.handle(&descriptor)?;
        blocking(move || rustix::fs::fsync(handle.fd()).map_err(super::handle::code)).await
    }

    async fn create_directory_at(&mut self, folder: Descriptor, path: String) -> FsResult<()> {
        let folder = self.folder(&folder)?;
        blocking(move || operation::create_folder(&folder, &path)).await
    }

    async fn stat(&mut self, descriptor: Descriptor) -> FsResult<DescriptorStat> {
        let handle = self.handle(&descriptor)?;
        blocking(move || operation::stat(&handle).map(|stat| operation::describe(&stat))).await
    }

    async fn stat_at(
        &mut self,
        folder: Descriptor,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        let folder = self.folder(&folder)?;
        let follow = flags.contains(PathFlags::SYMLINK_FOLLOW);
        blocking(move || operation::stat_at(&folder, &path, follow).map(|stat| operation::describe(&stat)))
            .await
    }

    async fn set_times_at(
        &mut self,
        folder: Descriptor,
        flags: PathFlags,
        path: String,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> FsResult<()> {
        let folder = self.folder(&folder)?;
        let follow = flags.contains(PathFlags::SYMLINK_FOLLOW);
        blocking(move || operation::set_times_at(&folder, &path, follow, access, modification)).await
    }

    async fn link_at(
        &mut self,
        _folder: Descriptor,
        _flags: PathFlags,
        _path: String,
        _new_folder: Descriptor,
        _new_path: String,
    ) -> FsResult<()> {
        Err(ErrorCode::NotPermitted.into())
    }

    async fn open_at(
        &mut self,
        folder: Descriptor,
        _flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Descriptor> {
        let folder = self.folder(&folder)?;
        let wish = Wish::new(open_flags, flags)?;
        let handle = blocking(move || open(&folder, &path, wish)).await?;
        self.keep(handle)
    }

    async fn readlink_at(&mut self, _folder: Descriptor, _path: String) -> FsResult<String> {
        // Where a link points may be a place outside.
        Err(ErrorCode::NotPermitted.into())
    }

    async fn remove_directory_at(&mut self, folder: Descriptor, path: String) -> FsResult<()> {
        let folder = self.folder(&folder)?;
        blocking(move || operation::remove_folder(&folder, &path)).await
    }

    async fn rename_at(
        &mut self,
        folder: Descriptor,
        path: String,
        new_folder: Descriptor,
        new_path: String,
    ) -> FsResult<()> {
        let (from, to) = (self.folder(&folder)?, self.folder(&new_folder)?);
        blocking(move || operation::rename(&from, &path, &to, &new_path)).await
    }

    async fn symlink_at(&mut self, _folder: Descriptor, _target: String, _path: String) -> FsResult<()> {
        Err(ErrorCode::NotPermitted.into())
    }

    async fn unlink_file_at(&mut self, folder: Descriptor, path: String) -> FsResult<()> {
        let folder = self.folder(&folder)?;
        blocking(move || operation::remove_file(&folder, &path)).await
    }

    async fn is_same_object(&mut self, one: Descriptor, other: Descriptor) -> wasmtime::Result<bool> {
        let hash = |handle: Handle| operation::stat(&handle).map(|stat| super::space::id_of(&stat));
        let one = hash(self.handle(&one).map_err(wasmtime::Error::new)?);
        let other = hash(self.handle(&other).map_err(wasmtime::Error::new)?);
        Ok(one.is_ok() && one == other)
    }

    async fn metadata_hash(&mut self, descriptor: Descriptor) -> FsResult<MetadataHashValue> {
        let handle = self.handle(&descriptor)?;
        blocking(move || operation::stat(&handle).map(|stat| operation::metadata_hash(&stat))).await
    }

    async fn metadata_hash_at(
        &mut self,
        folder: Descriptor,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        let folder = self.folder(&folder)?;
        let follow = flags.contains(PathFlags::SYMLINK_FOLLOW);
        blocking(move || {
            operation::stat_at(&folder, &path, follow).map(|stat| operation::metadata_hash(&stat))
        })
        .await
    }

    fn drop(&mut self, descriptor: Descriptor) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Handle>::new_own(descriptor.rep()))?;
        Ok(())
    }
}

impl HostDirectoryEntryStream for State {
    async fn read_directory_entry(&mut self, entries: Entries) -> FsResult<Option<DirectoryEntry>> {
        let listing = self.table.get(&Resource::<Listing>::new_borrow(entries.rep()));
        let listing = listing.cloned().map_err(FsError::trap)?;
        match listing.ready() {
            Some(entry) => Ok(Some(entry)),
            None => blocking(move || listing.next()).await,
        }
    }

    fn drop(&mut self, entries: Entries) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Listing>::new_own(entries.rep()))?;
        Ok(())
    }
}

impl State {
    fn writer(&mut self, file: &Descriptor, offset: Option<u64>) -> FsResult<Resource<DynOutputStream>> {
        let file = self.file(file)?;
        if !file.writable {
            return Err(ErrorCode::NotPermitted.into());
        }
        let stream: DynOutputStream = Box::new(Writer::new(file, offset));
        self.table.push(stream).map_err(FsError::trap)
    }
}

package sqlite

import "golang.org/x/sys/unix"

// networkFS names the network file system that a folder is on; "" if it is on
// none that is known. FUSE is let through: it does not tell what is behind it.
func networkFS(dir string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "", err
	}
	return networkName(uint32(st.Type)), nil
}

// networkName names the network file system with this magic number, see
// statfs(2); "" for any other.
func networkName(magic uint32) string {
	switch magic {
	case unix.NFS_SUPER_MAGIC:
		return "NFS"
	case unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		return "SMB"
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "AFS"
	case unix.CEPH_SUPER_MAGIC:
		return "Ceph"
	case unix.CODA_SUPER_MAGIC:
		return "Coda"
	default:
		return ""
	}
}

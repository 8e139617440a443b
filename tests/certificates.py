"""A certificate authority of a test's own, and server certificates that it issues for loopback."""
import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "authority.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._signed("test authority", self._key.public_key(), True)
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _signed(self, name, public_key, authority):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name("test authority")).public_key(public_key)
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
                   .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True))
        if not authority:
            names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, certificate_file, key_file):
        """A certificate for 127.0.0.1 and localhost, and its key (0600); put in place of what was there. Its serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._signed("server", key.public_key(), False)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        for file, content in ((key_file, pem), (certificate_file, made.public_bytes(serialization.Encoding.PEM))):
            fresh = file.with_suffix(".new")
            fresh.write_bytes(content)
            os.chmod(fresh, 0o600)
            os.replace(fresh, file)
        return made.serial_number

package dev.longtake.ops.launcher.doctor;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tls.CertificateFacts;
import dev.longtake.common.tls.TlsFiles;
import java.time.Duration;
import java.time.InstantSource;

/** A role's certificate, its key, and whether others accept it. */
final class CertificateCheck {
  private static final String NAME = "certificate";
  private static final Duration SOON = Duration.ofDays(14);
  private static final String RENEW =
      "have a new one issued ('longtake certs DIR --host NAME' for a private authority); running"
          + " processes take the new files by themselves";

  private CertificateCheck() {}

  static Finding of(RoleOptions options, InstantSource clock) {
    CertificateFacts facts;
    try {
      TlsFiles files = options.tls();
      if (files == null) {
        return Finding.skipped(NAME, "none is given, so connections are plain text");
      }
      facts = CertificateFacts.read(files);
    } catch (LongtakeException e) {
      return Finding.failed(NAME, e.getMessage(), "correct the --tls options, or " + RENEW);
    }
    if (facts.distrust().isPresent()) {
      return Finding.failed(
          NAME,
          "%s is signed by none of --tls-ca: %s".formatted(facts.subject(), facts.distrust().get()),
          "put the certificates between it and the authority behind it in --tls-cert, and the"
              + " authority's into --tls-ca");
    }
    String host = options.calledHost();
    if (!host.isEmpty() && !facts.covers(host)) {
      return Finding.failed(
          NAME,
          "%s is good for %s, but others call this process '%s'"
              .formatted(facts.subject(), String.join(", ", facts.names()), host),
          "have one issued that names it, or give the --advertise that the certificate has");
    }
    String found =
        "%s, for %s, valid until %s"
            .formatted(facts.subject(), String.join(", ", facts.names()), facts.end());
    return facts.end().isBefore(clock.instant().plus(SOON))
        ? Finding.warning(NAME, found, RENEW)
        : Finding.ok(NAME, found);
  }
}

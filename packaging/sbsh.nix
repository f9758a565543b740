# From a checkout: nix-build -E 'with import <nixpkgs> { }; callPackage ./packaging/sbsh.nix { }'
{
  lib,
  stdenv,
  rustPlatform,
  bubblewrap,
}:

rustPlatform.buildRustPackage {
  pname = "sbsh";
  version = "0.1.0";

  src = lib.cleanSource ../.;
  cargoLock.lockFile = ../Cargo.lock;
  cargoBuildFlags = [
    "--bin"
    "sbsh"
  ];

  # They make sandboxes, which a build's own sandbox does not allow.
  doCheck = false;

  # Its names, pages and completions; the record is the store's.
  postInstall = ''
    sh ./install.sh --prefix "$out" --binary "$out/bin/sbsh" --no-deps
    rm "$out/lib/sbsh/installed"
  '';

  # sbsh takes bwrap from system directories only (/run/current-system/sw/bin), never from the store by itself.
  propagatedUserEnvPkgs = lib.optional stdenv.hostPlatform.isLinux bubblewrap;

  # What environment.shells and users.users.NAME.shell want.
  passthru.shellPath = "/bin/sbsh";

  meta = {
    description = "Login shell for agent sessions: every command runs in an OS sandbox";
    license = lib.licenses.mit;
    mainProgram = "sbsh";
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}

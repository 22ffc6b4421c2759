//! The command line of one service: `SERVICE --dir D --guard api-key|gateway …`.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::net::TcpListener;

use crate::guard::Guard;
use crate::run::{ServiceConfig, prepare, serve};
use crate::services::Service;

const USAGE: &str = "usage: shop SERVICE --dir D --guard api-key|gateway [--port N]
  SERVICE                   catalogue, orders, invoices, payments or customers
  --dir D                   the shop's folder; the service keeps its data in D/SERVICE
  --guard api-key           one shared key and an asserted role
    --api-key-env VAR       the variable that holds the key (default KILLICK_SHOP_API_KEY)
  --guard gateway           only what a killick gateway signed
    --gateway-jwk JWK       the gateway's public key, as JSON
  --oracle-secret-env VAR   the variable that opens the receipt book (default KILLICK_SHOP_ORACLE_SECRET)
  --port N                  on 127.0.0.1; 0, the default, takes a free one
Prints `listening http://127.0.0.1:PORT` when ready. Ends when its standard input closes, or on SIGTERM.";

/// What the command line says.
#[derive(Debug)]
struct Options {
    service: Service,
    dir: PathBuf,
    port: u16,
    guard: Guard,
    oracle_secret: String,
}

/// Runs one service as a program of its own, with a runtime of its own: not to be called inside one. `args` without
/// the program's name. Exit codes: 0 stopped, 1 could not run, 2 usage.
pub fn main_from_args<I, A>(args: I) -> ExitCode
where
    I: IntoIterator<Item = A>,
    A: Into<OsString>,
{
    // One thread per service: ten of them share the machine with the gateway that is measured.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("shop: no runtime: {error}");
            return ExitCode::from(1);
        }
    };
    let code = runtime.block_on(serve_from_args(args));
    runtime.shutdown_background();
    code
}

/// The same inside a runtime that is already there.
pub async fn serve_from_args<I, A>(args: I) -> ExitCode
where
    I: IntoIterator<Item = A>,
    A: Into<OsString>,
{
    let args = args.into_iter().map(Into::into).collect::<Vec<OsString>>();
    let options = match parse(args, &|name| std::env::var(name).ok()) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("shop: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("shop: {why}");
            ExitCode::from(1)
        }
    }
}

async fn run(options: Options) -> Result<(), String> {
    let Options { service, dir, port, guard, oracle_secret } = options;
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let stop = stop_signal().map_err(|error| format!("cannot watch for the end: {error}"))?;
    let config = ServiceConfig { service, dir, listener, guard, oracle_secret };
    let prepared = prepare(config).await.map_err(|error| error.to_string())?;
    let mut out = std::io::stdout();
    writeln!(out, "listening http://{address}")
        .and_then(|()| out.flush())
        .map_err(|error| format!("cannot write to standard output: {error}"))?;
    serve(prepared, stop).await.map_err(|error| error.to_string())
}

/// Resolves when standard input closes (the parent has gone) or on SIGTERM.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let (closed, is_closed) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: a blocking read must not hold up the runtime's end.
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut sink = [0_u8; 256];
        let mut stdin = std::io::stdin().lock();
        while matches!(stdin.read(&mut sink), Ok(1..)) {}
        let _ = closed.send(());
    })?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = is_closed => {}
            _ = terminate.recv() => {}
        }
    })
}

fn parse(args: Vec<OsString>, env: &dyn Fn(&str) -> Option<String>) -> Result<Options, String> {
    let mut service = None;
    let (mut dir, mut port, mut kind, mut jwk) = (None, 0, None, None);
    let mut key_env = "KILLICK_SHOP_API_KEY".to_owned();
    let mut oracle_env = "KILLICK_SHOP_ORACLE_SECRET".to_owned();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let name = arg.to_str().ok_or("an argument is not UTF-8")?.to_owned();
        let mut value = || args.next().ok_or(format!("`{name}` needs a value"));
        let text =
            |value: OsString| value.into_string().map_err(|_| format!("the value of `{name}` is not UTF-8"));
        match name.as_str() {
            "--dir" => dir = Some(PathBuf::from(value()?)),
            "--port" => {
                port = text(value()?)?.parse().map_err(|_| "`--port` must be a number from 0 to 65535")?;
            }
            "--guard" => kind = Some(text(value()?)?),
            "--gateway-jwk" => jwk = Some(text(value()?)?),
            "--api-key-env" => key_env = text(value()?)?,
            "--oracle-secret-env" => oracle_env = text(value()?)?,
            other if other.starts_with('-') => return Err(format!("unknown option `{other}`")),
            other if service.is_none() => {
                service = Some(Service::from_name(other).ok_or(format!("there is no service `{other}`"))?);
            }
            other => return Err(format!("unexpected argument `{other}`")),
        }
    }
    let secret = |name: &str| {
        env(name).filter(|value| !value.is_empty()).ok_or(format!("the environment has no `{name}`"))
    };
    let guard = match kind.as_deref() {
        Some("api-key") => Guard::ApiKey(secret(&key_env)?),
        Some("gateway") => {
            let jwk = jwk.ok_or("`--guard gateway` needs `--gateway-jwk`")?;
            Guard::Gateway(serde_json::from_str(&jwk).map_err(|error| format!("`--gateway-jwk`: {error}"))?)
        }
        Some(other) => return Err(format!("there is no guard `{other}`")),
        None => return Err("`--guard` is missing".to_owned()),
    };
    Ok(Options {
        service: service.ok_or("SERVICE is missing")?,
        dir: dir.ok_or("`--dir` is missing")?,
        port,
        guard,
        oracle_secret: secret(&oracle_env)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Options, String> {
        parse(line.split_whitespace().map(OsString::from).collect(), &|name| match name {
            "KEY" => Some("k-1".to_owned()),
            "KILLICK_SHOP_ORACLE_SECRET" => Some("o-1".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn reads_both_guards() {
        let options = parse_line("orders --dir /d --guard api-key --api-key-env KEY --port 8").unwrap();
        assert_eq!((options.service, options.port), (Service::Orders, 8));
        assert!(matches!(options.guard, Guard::ApiKey(key) if key == "k-1"));
        let options = parse_line(r#"--guard gateway --gateway-jwk {"kty":"OKP"} --dir /d payments"#).unwrap();
        assert!(matches!(options.guard, Guard::Gateway(_)));
    }

    #[test]
    fn says_what_is_missing() {
        for (line, why) in [
            ("--dir /d --guard api-key --api-key-env KEY", "SERVICE is missing"),
            ("orders --guard api-key --api-key-env KEY", "`--dir` is missing"),
            ("orders --dir /d", "`--guard` is missing"),
            ("orders --dir /d --guard api-key", "the environment has no `KILLICK_SHOP_API_KEY`"),
            ("nothing --dir /d", "there is no service `nothing`"),
            ("orders --dir", "`--dir` needs a value"),
        ] {
            assert_eq!(parse_line(line).unwrap_err(), why);
        }
    }
}

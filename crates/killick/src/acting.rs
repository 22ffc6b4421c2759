//! Acting as an agent: the client that signs with its key, carrying its token.

use std::sync::Arc;

use killick_gateway::SystemClock;
use killick_gateway::client::{AgentClientConfig, ClientError};
use tokio::sync::watch;

use crate::folder::Folder;
use crate::output::{Exit, Failure};
use crate::wallet::{Gateway, Wallet};

/// What an agent's client is made of, and the sender through which a new token reaches it.
pub fn client_config(
    folder: &Folder,
    wallet: &Wallet,
) -> Result<(AgentClientConfig, watch::Sender<Arc<str>>), Failure> {
    let gateway = Gateway::from_trust(&folder.read_trust(None)?)?;
    let (new_tokens, chain) = watch::channel(Arc::from(wallet.token()?));
    let config = AgentClientConfig {
        gateway_url: gateway.url,
        audience: gateway.id,
        key: Arc::new(wallet.key()?),
        chain,
        clock: Arc::new(SystemClock),
    };
    Ok((config, new_tokens))
}

/// Why a call got no answer, as it is told.
pub fn no_answer(error: &ClientError) -> Failure {
    let failure = |exit, code| Failure::new(exit, code, error.to_string());
    match error {
        ClientError::Unreachable { .. } => failure(Exit::NotReachable, "gateway.unreachable")
            .mend("start it with `killick up`; `killick status` shows what runs"),
        ClientError::Request(_) => failure(Exit::Usage, "call.request"),
        _ => failure(Exit::NotReachable, "gateway.reply").mend("see the log of `killick up`"),
    }
}
